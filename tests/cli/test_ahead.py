"""Kernels compiled beside a first fit: by one process alone, only where they are missing and a processor is idle."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable.cli.train import ahead
from scalable.kernels import jit
from scalable.report import others

ROOT = Path(__file__).resolve().parents[2]
COMPILE = """
import sys, time
from numba.core import event
from tests.cli.one_kernel import square
compiled = []
class Listener(event.Listener):
    def on_start(self, _): compiled.append(1)
    def on_end(self, _): pass
event.register("numba:compile", Listener())
time.sleep(max(0.0, float(sys.argv[1]) - time.time()))
square(3.0)
print(len(compiled))
"""


def test_of_two_processes_that_need_a_kernel_one_compiles_it(tmp_path: Path) -> None:
    place = tmp_path / "tests" / "cli"
    place.mkdir(parents=True)
    (place / "one_kernel.py").write_text(
        "from scalable.kernels.jit import kernel\n\n\n@kernel()\ndef square(x):\n    return x * x\n"
    )
    environment = {
        **os.environ,
        "SCALABLE_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONPATH": f"{tmp_path}:{ROOT}",
    }
    together = [sys.executable, "-c", COMPILE, str(time.time() + 4)]
    children = [
        subprocess.Popen(together, env=environment, stdout=subprocess.PIPE, text=True, cwd=tmp_path)
        for _ in range(3)
    ]
    counts = sorted(int(child.communicate(timeout=100)[0]) for child in children)
    assert counts == [0, 0, 1]


def test_it_starts_only_where_kernels_are_missing_and_a_processor_is_idle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[list[str]] = []

    class Child:
        def __init__(self, command: list[str], **_: object) -> None:
            started.append(command)

        def __enter__(self) -> Child:
            return self

        def __exit__(self, *_: object) -> None: ...

        def kill(self) -> None:
            started.append(["killed"])

    monkeypatch.setattr(subprocess, "Popen", Child)
    monkeypatch.setattr(others, "idle_processors", lambda: 1.9)
    monkeypatch.setattr(jit, "is_compiled", lambda _: True)
    with ahead.compiled_beside(ahead.fit_few, "data", "y") as running:
        assert not running
    monkeypatch.setattr(jit, "is_compiled", lambda _: False)
    with ahead.compiled_beside(ahead.fit_few, "data", "y", "a") as running:
        assert running
        assert started[0][-4:] == ["fit_few", "data", "y", "a"]
    assert started[1:] == [["killed"]]
    monkeypatch.setattr(others, "idle_processors", lambda: 0.3)
    with ahead.compiled_beside(ahead.fit_few, "data", "y") as running:
        assert not running


def test_jobs_fit_and_score_whatever_the_target_is(tmp_path: Path) -> None:
    from scalable.kernels.encode.columns import encode_columns

    rng = np.random.default_rng(0)
    table = pa.table(
        {"a": rng.normal(size=300).astype(np.float32), "b": rng.normal(size=300), "t": ["no"] * 300}
    )
    pq.write_table(table, tmp_path / "rows.parquet")
    ahead.fit_few(str(tmp_path), "t", "a", "b")
    ahead.fit_few(str(tmp_path), "t")
    assert encode_columns.signatures


def test_what_is_compiled_beside_a_quickstart_is_not_what_it_begins_with() -> None:
    """Its values are drawn anyhow; of the dataset the columns are enough. Its trees grow as those of two workers do."""
    from data_gen.values.random import fill_bits
    from scalable.kernels.forest.row import row_score
    from scalable.kernels.histogram.leafwise import grow, step
    from scalable.kernels.histogram.teamwork import serve

    needless = (fill_bits, grow, serve)
    before = [list(kernel.signatures) for kernel in needless]
    ahead.fit_generated("fraud", "is_fraud", "native")
    assert [kernel.signatures for kernel in needless] == before
    assert all(kernel.signatures for kernel in (step, row_score))
