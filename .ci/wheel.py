"""Build a wheel that brings its kernels along, as code for any processor: a first run of it compiles half as long.

They serve the versions of Python, Numba and llvmlite that the wheel is built with; others compile, as from any wheel.

    VENV/bin/python .ci/wheel.py [FOLDER [JOB ...]]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

HOME = Path(__file__).resolve().parents[1]
JOBS = """
import sys
sys.path.insert(0, sys.argv[1])
from scalable.cli.serve.warm_jobs import warm
warm(None, sys.argv[2:] or None)
"""


def build(out: Path, *jobs: str) -> None:
    """Copy what Git knows of, run jobs whose kernels are kept there, and build the wheel of that.

    Parameters
    ----------
    out : Path
        Where the wheel goes.
    *jobs : str
        Names of `scalable warm`'s jobs; by default all.
    """
    names = subprocess.check_output(["git", "-C", HOME, "ls-files", "-z"], text=True).split("\0")
    with tempfile.TemporaryDirectory(prefix="scalable-wheel-") as folder:
        sources = Path(folder) / "sources"
        for name in filter(None, names):
            if not name.startswith(("docs/", "tests/")) and (HOME / name).is_file():
                (sources / name).parent.mkdir(parents=True, exist_ok=True)
                (sources / name).write_bytes((HOME / name).read_bytes())
        env = {**os.environ, "SCALABLE_CACHE_DIR": f"{folder}/cache", "SCALABLE_SHIP_KERNELS": "1"}
        ahead = [sys.executable, "-P", "-c", JOBS, str(sources), *jobs]
        subprocess.run(ahead, env=env, cwd=folder, check=True)
        words = ("wheel", "--quiet", "--no-deps", "--wheel-dir", str(out), str(sources))
        subprocess.run([sys.executable, "-m", "pip", *words], check=True)


if __name__ == "__main__":
    folder, *jobs = sys.argv[1:] or ["dist"]
    build(Path(folder).resolve(), *jobs)
