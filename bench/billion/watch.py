"""Runs one command and watches what it costs: wall time, memory of all its processes, bytes moved."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from scalable.cli.meter import memory_of

INTERVAL = 0.1  # seconds
_ROOT = Path(__file__).resolve().parents[2]


class StageError(RuntimeError):
    """A command ended with an error; the message holds the end of what it printed."""


@dataclass
class Cost:
    """What a command cost.

    Parameters
    ----------
    seconds : float
        Wall time.
    peak_memory_bytes : int
        Proportional set size of the command, its descendants and the cluster it used, sampled ten times a
        second.
    read_bytes, written_bytes : int
        What reached the storage device, page cache hits left out, as the kernel accounts it; of a process that
        ends between two samples the last tenth of a second is missing.
    """

    seconds: float = 0.0
    peak_memory_bytes: int = 0
    read_bytes: int = 0
    written_bytes: int = 0
    _moved: dict[int, tuple[int, int]] = field(default_factory=dict, repr=False)

    def look(self, roots: Sequence[int]) -> None:
        """Add a sample of the processes `roots` and their descendants."""
        self.peak_memory_bytes = max(self.peak_memory_bytes, sum(memory_of(root) for root in roots))
        for root in roots:
            for pid in _family(root):
                moved = _moved(pid)
                if moved is not None:
                    self._moved[pid] = moved
        self.read_bytes = sum(read for read, _ in self._moved.values())
        self.written_bytes = sum(written for _, written in self._moved.values())

    def to_json(self) -> dict[str, Any]:
        """Return JSON types."""
        return {key: value for key, value in asdict(self).items() if not key.startswith("_")}


def _family(root: int) -> list[int]:
    try:
        return [root, *(child.pid for child in psutil.Process(root).children(recursive=True))]
    except psutil.Error:
        return []


def _moved(pid: int) -> tuple[int, int] | None:
    try:
        with open(f"/proc/{pid}/io", encoding="ascii") as file:
            found = dict(line.split(": ") for line in file.read().splitlines())
    except OSError:
        return None
    return int(found["read_bytes"]), int(found["write_bytes"])


def start(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a command that prints to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    path = os.pathsep.join(part for part in (str(_ROOT), os.environ.get("PYTHONPATH", "")) if part)
    with open(log, "ab") as output:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            env={**os.environ, "PYTHONPATH": path},
        )  # fmt: skip


def end_orphan(note: Path) -> None:
    """End the command that an interrupted run noted and left running, with all its children."""
    try:
        pid, created = note.read_text("ascii").split()
        process = psutil.Process(int(pid))
        if f"{process.create_time():.2f}" != created:  # the number was given to another process since
            return
        family = [process, *process.children(recursive=True)]
    except (OSError, ValueError, psutil.Error):
        return
    for member in family:
        with suppress(psutil.Error):
            member.terminate()
    for member in psutil.wait_procs(family, timeout=10)[1]:
        with suppress(psutil.Error):
            member.kill()


def watched(command: Sequence[str], log: Path, note: Path, others: Sequence[int] = ()) -> Cost:
    """Run a command to its end.

    Parameters
    ----------
    command : sequence of str
    log : Path
        What it prints is appended there.
    note : Path
        Told the command's process, for `end_orphan`.
    others : sequence of int
        Ids of processes that work for it, such as a cluster's; their memory and bytes count too.

    Raises
    ------
    StageError
        When it ends with another exit code than 0.
    """
    cost, before = Cost(), Cost()
    before.look(others)
    began = time.perf_counter()
    process = start(command, log)
    note.write_text(f"{process.pid} {psutil.Process(process.pid).create_time():.2f}", "ascii")
    done = threading.Event()

    def look() -> None:
        while not done.wait(INTERVAL):
            cost.look([process.pid, *others])

    watcher = threading.Thread(target=look, name="watch", daemon=True)
    watcher.start()
    try:
        code = process.wait()
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait()
        done.set()
        watcher.join()
    cost.seconds = time.perf_counter() - began
    cost.read_bytes -= before.read_bytes
    cost.written_bytes -= before.written_bytes
    if code != 0:
        tail = log.read_text("utf-8", "replace").strip().splitlines()[-5:]
        raise StageError(f"exit code {code} of: {' '.join(command)}\n" + "\n".join(tail))
    return cost
