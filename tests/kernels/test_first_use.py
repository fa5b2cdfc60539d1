"""What a first run compiles: seconds for a stranger, so that it cannot creep back."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable.kernels.jit import Pending, is_compiled, kernel

ROOT = Path(__file__).resolve().parents[2]
FIT = """
import json, sys
from scalable import ParquetSource
from scalable.linear import LogisticRegression
model = LogisticRegression().fit(ParquetSource(sys.argv[1], target="y"))
from numba.core.registry import CPUDispatcher
import gc
used = {
    f"{each.py_func.__module__}.{each.py_func.__name__}": len(each.signatures)
    for each in gc.get_objects()
    if isinstance(each, CPUDispatcher) and each.signatures and each.py_func.__module__.startswith("scalable.")
}
print(json.dumps([model.solver_, used]))
"""


def add_one(x):
    return x + 1


@pytest.fixture(scope="module")
def used(tmp_path_factory):
    """The kernels that a fit of 20,000 rows uses on a cold cache: name to number of signatures."""
    place = tmp_path_factory.mktemp("first")
    rng = np.random.default_rng(0)
    columns = {f"x{k}": rng.normal(size=20_000).astype(np.float32) for k in range(4)}
    columns["few"] = rng.integers(0, 3, 20_000).astype(np.float32)  # stored as a dictionary
    columns["y"] = (rng.random(20_000) < 0.4).astype(np.int8)
    pq.write_table(pa.table(columns), place / "t.parquet", use_dictionary=["few"], compression="none")
    done = subprocess.run(
        [sys.executable, "-c", FIT, str(place / "t.parquet")],
        capture_output=True,
        text=True,
        cwd=ROOT,
        # Which kernels are compiled is asked, not how fast they are: not optimised, they take half of the time.
        env={**os.environ, "SCALABLE_CACHE_DIR": str(place / "cache"), "NUMBA_OPT": "0"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    solver, found = json.loads(done.stdout)
    assert solver == "newton"
    return found


def test_a_fit_of_few_rows_compiles_neither_descent_nor_the_decoder(used):
    assert not [
        name for name in used if name.endswith((".descend", ".descend_raw", ".decode_columns", "._learn"))
    ]
    assert "scalable.kernels.linear.gradients.log_curvatures" in used
    assert "scalable.kernels.linear.gradients.other_curvatures" not in used


def test_a_fit_of_few_rows_compiles_few_kernels_for_one_choice_of_types_each(used):
    assert len(used) <= 44  # those linked into others among them
    several = {name: n for name, n in used.items() if n > 1}
    assert not several.keys() & {
        "scalable.kernels.parquet.files.gather",
        "scalable.kernels.parquet.files.read_rows",
    }


def test_a_kernel_with_a_substitute_is_compiled_once_there_is_work_enough(tmp_path, monkeypatch):
    slow = kernel(cache=True)(add_one)
    monkeypatch.setattr(slow._cache._cache_file, "_index_path", str(tmp_path / "index"))
    choice = Pending(slow, 100)
    assert not choice.pays(60)
    assert choice.pays(60)
    assert choice.pays(1)  # from then on for any
    other = Pending(slow, 100)
    assert not is_compiled(slow)
    (tmp_path / "index").write_bytes(b"")
    assert is_compiled(slow)
    assert other.pays(1)
