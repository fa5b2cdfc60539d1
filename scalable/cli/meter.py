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

INTERVAL = 0.05


def memory_now() -> int:
    """Return the bytes of memory of this process and its descendants; see `memory_of`."""
    return memory_of(os.getpid())


def memory_of(pid: int) -> int:
    """Return the bytes of memory of a process and its descendants, 0 once it has ended.

    Proportional set size where the kernel tells it: pages shared by k processes count 1/k each,
    so forked workers are not counted twice and mapped model files are.
    """
    return sum(_pss(member) for member in _family(pid))


def _family(pid: int) -> list[int]:
    try:
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    except psutil.Error:
        return [pid]


def _pss(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        return 0
    return 0


@dataclass(slots=True)
class Stage:
    """Cost of one stage; complete once its ``with`` block ended."""

    name: str
    rows: int = 0
    seconds: float = 0.0
    peak_memory_bytes: int = 0

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
    """Time the body and sample its memory every 50 ms.

    Parameters
    ----------
    name : str
        Name of the stage.
    rows : int
        Rows it processes; may be set on the yielded stage later.
    """
    stage = Stage(name, rows)
    done = threading.Event()

    def watch() -> None:
        while True:
            stage.peak_memory_bytes = max(stage.peak_memory_bytes, memory_now())
            if done.wait(INTERVAL):
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
