"""What a command does not need, it does not load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CODE = """
import sys
from scalable.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    assert end.code == 0, end.code
loaded = {"pandas.core", "scipy.stats._stats_py", "scipy.optimize", "lightgbm", "dask", "matplotlib"} & set(sys.modules)
assert not loaded, loaded
import scipy.stats
print(scipy.stats.norm.cdf(0.0))
"""


def test_a_first_fit_loads_neither_pandas_nor_statistics(toy: Path, tmp_path: Path) -> None:
    """Both are imported by scikit-learn; they can be used all the same."""
    words = (
        "train",
        "logistic",
        toy,
        "--target",
        "label",
        "--features",
        "x,city",
        "--model",
        tmp_path / "m",
        "-q",
    )
    done = subprocess.run(
        [sys.executable, "-c", CODE, *map(str, words)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "0.5\n"
