"""A Dask cluster as a user starts it by hand: one scheduler, two single-threaded workers."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.billion.watch import StageError, start

WORKERS = 2
_PATIENCE = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running cluster.

    Parameters
    ----------
    address : str
    pids : tuple of int
        Of the scheduler and the workers.
    """

    address: str
    pids: tuple[int, ...]


@contextmanager
def local_cluster(folder: Path) -> Iterator[Cluster]:
    """Run a scheduler and its workers on the loopback interface, with `folder` as their directory."""
    meeting, log = folder / "scheduler.json", folder / "logs" / "cluster.log"
    meeting.unlink(missing_ok=True)
    dask = (sys.executable, "-m", "dask")
    worker = (*dask, "worker", "--scheduler-file", str(meeting), "--nthreads", "1", "--no-dashboard",
              "--local-directory", str(folder / "dask"), "--death-timeout", "60")  # fmt: skip
    processes = [start((*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
                        "--scheduler-file", str(meeting)), log)]  # fmt: skip
    try:
        address = _address(meeting, time.monotonic() + _PATIENCE)
        processes += [start(worker, log) for _ in range(WORKERS)]
        from distributed import Client

        with Client(address, timeout=_PATIENCE) as client:
            client.wait_for_workers(WORKERS, timeout=_PATIENCE)
        yield Cluster(address, tuple(process.pid for process in processes))
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            process.wait()


def _address(meeting: Path, deadline: float) -> str:
    while time.monotonic() < deadline:
        try:
            return str(json.loads(meeting.read_text("utf-8"))["address"])
        except (OSError, ValueError):
            time.sleep(0.1)
    raise StageError("the scheduler did not start; see logs/cluster.log")
