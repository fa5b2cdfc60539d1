"""What a command does not need, it does not load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CODE = """
import sys
from scalable.cli import main
heavy = {"pandas.core", "scipy.stats._stats_py", "scipy.optimize", "sklearn.metrics", "dask", "matplotlib"}
learner = sys.argv[2]
for sys.argv[2], unwanted in ((learner, heavy | {"lightgbm"}), ("lightgbm", heavy)):
    try:
        main(sys.argv[1:])
    except SystemExit as end:
        assert end.code == 0, end.code
    loaded = unwanted & set(sys.modules)
    assert not loaded, loaded
    sys.argv.append("--overwrite")
import scipy.stats, pandas, sklearn.metrics
print(scipy.stats.norm.cdf(0.0), pandas.Series([1]).sum(), sklearn.metrics.accuracy_score([1], [1]))
"""


def test_first_fits_load_neither_pandas_nor_statistics(toy: Path, tmp_path: Path) -> None:
    """scikit-learn imports them, and LightGBM both and more of scikit-learn; they can be used all the same."""
    line = f"train logistic {toy} --target label --features x,city --model {tmp_path / 'm'} -q"
    done = subprocess.run(
        [sys.executable, "-c", CODE, *line.split()], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "0.5 1 1.0\n"
