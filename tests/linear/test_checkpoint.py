"""A killed training, resumed, ends with the bits of one that was never interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from sklearn.base import clone

from scalable import ParquetSource
from scalable.errors import UsageError
from scalable.linear import LinearSVC, LogisticRegression, SGDRegressor
from scalable.models.checkpoint import Checkpoint
from scalable.models.store import read_model, save_model

# Passes are few here on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

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


@pytest.mark.parametrize(
    "learner", [SGDRegressor("huber"), SGDRegressor("quantile"), SGDRegressor(), LinearSVC(loss="hinge")]
)
def test_a_checkpoint_changes_nothing(tmp_path, learner):
    """The command line always keeps one: descent of few rows was then far from the minimum that Python found."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    y = X @ [1.0, -2.0, 0.5] + rng.normal(size=300)
    if isinstance(learner, LinearSVC):
        y = y > 0.0
    kept = clone(learner).set_params(checkpoint=tmp_path / "c").fit(X, y)
    assert kept.solver_ == "newton"
    np.testing.assert_array_equal(kept.coef_, learner.fit(X, y).coef_)


def test_a_checkpoint_of_another_training_is_refused(tmp_path, monkeypatch):
    write(tmp_path / "a.parquet", rows=8_000)
    monkeypatch.setattr("scalable.linear.prepare.HELD_BYTES", 0)
    source = ParquetSource(tmp_path / "a.parquet", target="y")

    options = {"solver": "sgd", "max_iter": 3, "checkpoint": tmp_path / "c"}
    with monkeypatch.context() as patch:
        patch.setattr("scalable.linear.solvers.rounds.coefficients", interrupted_at(2))
        with pytest.raises(KeyboardInterrupt):
            LogisticRegression(**options).fit(source)
    with pytest.raises(UsageError, match=r"another training \(C was 1.0, is 7.0\)"):
        LogisticRegression(**options, resume=True, C=7.0).fit(source)
    LogisticRegression(**options, resume=True).fit(source)
    assert not (tmp_path / "c").exists()


def flipped(path):
    table = pq.read_table(path)
    where = table.schema.get_field_index("y")
    return table.set_column(where, "y", pc.subtract(1, table["y"]).cast(table["y"].type))


@pytest.mark.parametrize("solver", ["sgd", "newton"])
def test_the_same_features_with_other_labels_are_refused(tmp_path, monkeypatch, solver):
    write(tmp_path / "a.parquet", rows=8_000)
    pq.write_table(flipped(tmp_path / "a.parquet"), tmp_path / "b.parquet")
    options = {"solver": solver, "max_iter": 6, "checkpoint": tmp_path / "c"}
    begin(options, ParquetSource(tmp_path / "a.parquet", target="y"), monkeypatch)
    with pytest.raises(
        UsageError, match=rf"{tmp_path}/c: .*another training \(file {tmp_path}/b.parquet is new"
    ):
        LogisticRegression(**options, resume=True).fit(ParquetSource(tmp_path / "b.parquet", target="y"))
    pq.write_table(flipped(tmp_path / "a.parquet"), tmp_path / "a.parquet")
    with pytest.raises(UsageError, match=rf"file {tmp_path}/a.parquet changed since"):
        LogisticRegression(**options, resume=True).fit(ParquetSource(tmp_path / "a.parquet", target="y"))


def test_arrays_with_other_labels_are_refused_and_the_same_ones_resumed(tmp_path, monkeypatch):
    write(tmp_path / "a.parquet", rows=8_000)
    table = pq.read_table(tmp_path / "a.parquet").drop_columns("y")
    y = pq.read_table(tmp_path / "a.parquet")["y"].to_numpy()
    options = {"solver": "sgd", "max_iter": 4, "checkpoint": tmp_path / "c"}
    begin(options, table, monkeypatch, y)
    with pytest.raises(UsageError, match="column '__target__' differs"):
        LogisticRegression(**options, resume=True).fit(table, 1 - y)
    resumed = LogisticRegression(**options, resume=True).fit(table, y.copy())
    assert np.array_equal(
        resumed.coef_, LogisticRegression(**{**options, "checkpoint": None}).fit(table, y).coef_
    )


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"filters": [("f1", ">", 0.0)]}, "the rows are selected otherwise"),
        ({"features": ["f0", "f1"]}, r"features was .*, is \['f0', 'f1'\]"),
    ],
)
def test_other_rows_and_columns_are_refused(tmp_path, monkeypatch, other, told):
    write(tmp_path / "a.parquet", rows=8_000)
    options = {"solver": "sgd", "max_iter": 4, "checkpoint": tmp_path / "c"}
    begin(options, ParquetSource(tmp_path / "a.parquet", target="y"), monkeypatch)
    with pytest.raises(UsageError, match=told):
        LogisticRegression(**options, resume=True).fit(
            ParquetSource(tmp_path / "a.parquet", target="y", **other)
        )


def test_a_relative_path_to_the_same_file_is_resumed(tmp_path, monkeypatch):
    write(tmp_path / "a.parquet", rows=8_000)
    options = {"solver": "sgd", "max_iter": 4, "checkpoint": tmp_path / "c"}
    begin(options, ParquetSource(tmp_path / "a.parquet", target="y"), monkeypatch)
    monkeypatch.chdir(tmp_path)
    resumed = LogisticRegression(**options, resume=True).fit(ParquetSource("a.parquet", target="y"))
    assert resumed.n_iter_ == 4


def begin(options, source, monkeypatch, *y):
    solver = options["solver"]
    with monkeypatch.context() as patch:
        patch.setattr(
            Checkpoint, "write", written_then_killed(Checkpoint.write, 1 if solver == "newton" else 2)
        )
        with pytest.raises(KeyboardInterrupt):
            LogisticRegression(**options).fit(source, *y)
    assert options["checkpoint"].exists()


def written_then_killed(write, call):
    calls = []

    def wrapped(self, *args):
        write(self, *args)
        calls.append(args)
        if len(calls) == call:
            raise KeyboardInterrupt

    return wrapped


def interrupted_at(call: int):
    from scalable.linear.solvers.rounds import coefficients

    calls = 0

    def wrapped(*args):
        nonlocal calls
        calls += 1
        if calls == call:
            raise KeyboardInterrupt
        return coefficients(*args)

    return wrapped


def test_a_forged_state_under_a_right_seal_is_refused(tmp_path, monkeypatch):
    write(tmp_path / "rows.parquet", 4_000)
    source, path = ParquetSource(tmp_path / "rows.parquet", target="y"), tmp_path / "ck"
    monkeypatch.setattr(Checkpoint, "remove", lambda self: None)
    for solver, forgeries in (("newton", ({"n_iter": -(2**40)}, {"history": []})),
                              ("sgd", ({"pass": -(2**40)}, {"pass": 2**40}, {"done": -1}, {"stale": -1}))):  # fmt: skip
        options = {"checkpoint": str(path), "max_iter": 2, "solver": solver}
        LogisticRegression(**options).fit(source)
        stored = read_model(path)
        for forged in ("x", [1], {"best": "x"}, *({**stored.meta["state"], **one} for one in forgeries)):
            meta = {**stored.meta, "state": forged}
            save_model(path, stored.kind, meta, stored.arrays, stored.texts)
            with pytest.raises(UsageError, match=r"(damaged|another version).*remove"):
                LogisticRegression(**options, resume=True).fit(source)
