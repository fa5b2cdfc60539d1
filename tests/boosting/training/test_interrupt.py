"""Ctrl-C and the death of the driver: every worker's process is gone."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

SCRIPT = """
import sys
from pathlib import Path
from scalable import ParquetSource
from scalable.boosting import LGBMClassifier

begun = Path(sys.argv[3])

def note(env):
    if env.iteration == 5:
        begun.touch()

if __name__ == "__main__":
    source = ParquetSource(sys.argv[1], target="y")
    LGBMClassifier(10**6, n_workers=int(sys.argv[2])).fit(source, callbacks=[note])
"""


@pytest.fixture
def running(tmp_path, request):
    """A driver in the middle of a fit, and its worker processes."""
    X = np.random.default_rng(0).normal(size=(20_000, 5))  # the last is noise: what separates is learned soon
    pq.write_table(
        pa.table({**{f"x{j}": X[:, j] for j in range(4)}, "y": X[:, 0] + X[:, 4] > 0}),
        tmp_path / "rows.parquet",
    )
    (tmp_path / "fit.py").write_text(SCRIPT)
    n_workers = request.param
    driver = subprocess.Popen(
        [sys.executable, tmp_path / "fit.py", tmp_path / "rows.parquet", str(n_workers), tmp_path / "begun"],
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    deadline = time.monotonic() + 90
    while not (tmp_path / "begun").exists():
        assert time.monotonic() < deadline
        assert driver.poll() is None
        time.sleep(0.05)
    workers = [p for p in psutil.Process(driver.pid).children(recursive=True) if is_worker(p)]
    assert len(workers) == n_workers
    yield driver, workers
    if driver.poll() is None:
        driver.kill()
    driver.communicate()


def is_worker(process):
    try:
        return "scalable.boosting.workers.process" in " ".join(process.cmdline())
    except psutil.Error:
        return False


@pytest.mark.parametrize("running", [1, pytest.param(2, marks=pytest.mark.slow)], indirect=True)
def test_ctrl_c_ends_driver_and_workers(running):
    driver, workers = running
    driver.send_signal(signal.SIGINT)
    _, errors = driver.communicate(timeout=30)
    assert driver.returncode != 0
    assert b"KeyboardInterrupt" in errors
    assert psutil.wait_procs(workers, timeout=5)[1] == []


@pytest.mark.parametrize("running", [1], indirect=True)
def test_workers_die_with_a_killed_driver(running):
    driver, workers = running
    driver.kill()
    assert psutil.wait_procs(workers, timeout=10)[1] == []
