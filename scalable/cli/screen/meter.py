"""What a stage costs: wall time and peak memory (PSS) over this process and its children."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psutil

from scalable.cli.screen.line import human, megabytes

INTERVAL = 0.05  # seconds between samples, or more where a sample is expensive
SHARE = 0.05  # of one processor, the most that sampling may take


def memory_now() -> int:
    """Return the bytes of memory of this process and its descendants; see `memory_of`."""
    return memory_of(os.getpid())


def memory_of(pid: int) -> int:
    """Return the bytes of memory of a process and its descendants, 0 once it has ended.

    Proportional set size where the kernel tells it: pages shared by k processes count 1/k each,
    so forked workers are not counted twice and mapped model files are.
    """
    return sum(pss(member) for member in family(pid))


def family(pid: int) -> list[int]:
    """Return the ids of a process and its descendants; looking through all processes takes milliseconds."""
    try:
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    except psutil.Error:
        return [pid]


def pss(pid: int) -> int:
    """Return the proportional set size of one process in bytes, 0 once it has ended.

    The kernel walks the process's pages for it: some 15 ms a GiB of small pages.
    """
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        return 0
    return 0


def pause(used: float, interval: float = INTERVAL) -> float:
    """Return the seconds to wait after a sample that took `used` seconds of processor time.

    A process of 6 GiB looked at twenty times a second would keep a processor busy with being looked at.
    """
    return max(interval, used / SHARE)


@dataclass(slots=True)
class Stage:
    """Cost of one stage; complete once its ``with`` block ended."""

    name: str
    rows: int = 0
    seconds: float = 0.0
    peak_memory_bytes: int = 0

    def in_words(self, done: int) -> str:
        """Return what `done` of its rows cost, and how many of them were there before."""
        before = "" if done == self.rows else f", {self.rows - done:,} were there before"
        peak = megabytes(self.peak_memory_bytes)
        return f"in {self.seconds:.1f} s ({human(done / self.seconds)} rows/s, peak {peak}){before}"

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form that reports read."""
        rate = self.rows / self.seconds if self.seconds > 0 and self.rows else None
        return {
            "name": self.name,
            "rows": self.rows,
            "seconds": self.seconds,
            "rows_per_second": rate,
            "peak_memory_bytes": self.peak_memory_bytes,
        }


@contextmanager
def measured(name: str, rows: int = 0) -> Iterator[Stage]:
    """Time the body and sample its memory every 50 ms, or as often as 5 % of a processor allow.

    Parameters
    ----------
    name : str
        Name of the stage.
    rows : int
        Rows it processes; may be set on the yielded stage later.
    """
    from scalable.report import environment  # noqa: F401  its watch of others begins with what is timed

    stage = Stage(name, rows)
    done = threading.Event()

    def watch() -> None:
        while True:
            began = time.thread_time()
            stage.peak_memory_bytes = max(stage.peak_memory_bytes, memory_now())
            if done.wait(pause(time.thread_time() - began)):
                return

    watcher = threading.Thread(target=watch, name=f"meter-{os.getpid()}", daemon=True)
    watcher.start()
    start = time.perf_counter()
    try:
        yield stage
    finally:
        stage.seconds = time.perf_counter() - start
        done.set()
        watcher.join()
