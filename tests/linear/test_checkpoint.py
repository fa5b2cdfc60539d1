"""A killed training, resumed, ends with the bits of one that was never interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.errors import UsageError
from scalable.linear import LogisticRegression

CHILD = """
import sys
import scalable.linear.prepare as prepare
prepare.HELD_BYTES = 0
from scalable import ParquetSource
from scalable.linear import LogisticRegression
options = eval(sys.argv[2])
LogisticRegression(checkpoint=sys.argv[3], resume=True, **options).fit(ParquetSource(sys.argv[1], target="y"))
"""


def write(path, rows: int = 32_000):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(6, rows)).astype(np.float32)
    y = (rng.random(rows) < 1 / (1 + np.exp(-X[0] + X[1]))).astype(np.int8)
    table = pa.table({**{f"f{j}": X[j] for j in range(6)}, "y": y})
    pq.write_table(table, path, row_group_size=1024)


@pytest.mark.parametrize(
    "options",
    [
        {"solver": "sgd", "n_replicas": 2, "max_iter": 12, "tol": 0.0, "n_workers": 1},
        {"solver": "newton", "max_iter": 12, "tol": 1e-300, "C": 1e-3, "n_workers": 1},
    ],
)
def test_killed_and_resumed(tmp_path, monkeypatch, options):
    write(tmp_path / "a.parquet")
    monkeypatch.setattr("scalable.linear.prepare.HELD_BYTES", 0)
    source = ParquetSource(tmp_path / "a.parquet", target="y")
    whole = LogisticRegression(**options).fit(source)
    place = tmp_path / "checkpoint"
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path / "a.parquet"), repr(options), str(place)],
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    deadline = time.monotonic() + 120
    while not (place / "model.json").exists() and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL, "the child ended before it could be killed"
    assert (place / "model.json").exists()
    resumed = LogisticRegression(checkpoint=place, resume=True, **options).fit(source)
    np.testing.assert_array_equal(whole.model_.coef, resumed.model_.coef)
    assert resumed.n_iter_ == whole.n_iter_
    assert not place.exists()


def test_a_checkpoint_of_another_training_is_refused(tmp_path, monkeypatch):
    write(tmp_path / "a.parquet", rows=8_000)
    monkeypatch.setattr("scalable.linear.prepare.HELD_BYTES", 0)
    source = ParquetSource(tmp_path / "a.parquet", target="y")

    options = {"solver": "sgd", "max_iter": 3, "checkpoint": tmp_path / "c"}
    with monkeypatch.context() as patch:
        patch.setattr("scalable.linear.solvers.sgd.coefficients", interrupted_at(2))
        with pytest.raises(KeyboardInterrupt):
            LogisticRegression(**options).fit(source)
    with pytest.raises(UsageError, match="another training"):
        LogisticRegression(**options, resume=True, C=7.0).fit(source)
    LogisticRegression(**options, resume=True).fit(source)
    assert not (tmp_path / "c").exists()


def interrupted_at(call: int):
    from scalable.linear.solvers.sgd import coefficients

    calls = 0

    def wrapped(*args):
        nonlocal calls
        calls += 1
        if calls == call:
            raise KeyboardInterrupt
        return coefficients(*args)

    return wrapped
