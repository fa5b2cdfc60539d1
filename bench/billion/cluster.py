"""A Dask cluster as a user starts it by hand: one scheduler, two single-threaded workers."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.billion.watch import StageError, end_family, end_orphan, last_words, start, write_note

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
    """Run a scheduler and its workers on the loopback interface, with `folder` as their directory.

    One that a killed run left there is ended first.

    Raises
    ------
    StageError
        When it does not start within a minute.
    """
    meeting, log = folder / "scheduler.json", folder / "logs" / "cluster.log"
    notes = [folder / f"cluster-{k}.begun" for k in range(WORKERS + 1)]
    for note in notes:
        end_orphan(note)
    for file in (meeting, log):
        file.unlink(missing_ok=True)
    dask = (sys.executable, "-m", "dask")
    scheduler = (*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
                 "--scheduler-file", str(meeting))  # fmt: skip
    worker = (*dask, "worker", "--scheduler-file", str(meeting), "--nthreads", "1", "--no-dashboard",
              "--local-directory", str(folder / "dask"), "--death-timeout", "60")  # fmt: skip
    processes: list[subprocess.Popen[bytes]] = []

    def begin(command: Sequence[str]) -> None:
        processes.append(start(command, log, folder))
        write_note(notes[len(processes) - 1], processes[-1])

    try:
        begin(scheduler)
        address = _address(meeting, log, time.monotonic() + _PATIENCE)
        for _ in range(WORKERS):
            begin(worker)
        _await_workers(address, log)
        yield Cluster(address, tuple(process.pid for process in processes))
    finally:
        for process in reversed(processes):
            end_family(process.pid)
        for process in processes:
            process.wait()
        for note in notes:
            note.unlink(missing_ok=True)


def _await_workers(address: str, log: Path) -> None:
    from distributed import Client

    try:
        with Client(address, timeout=_PATIENCE) as client:
            client.wait_for_workers(WORKERS, timeout=_PATIENCE)
    except (OSError, TimeoutError) as error:
        raise StageError(f"the cluster's workers did not start ({error})\n{last_words(log)}") from error


def _address(meeting: Path, log: Path, deadline: float) -> str:
    while time.monotonic() < deadline:
        try:
            return str(json.loads(meeting.read_text("utf-8"))["address"])
        except (OSError, ValueError):
            time.sleep(0.1)
    raise StageError(f"the scheduler did not start\n{last_words(log)}")
