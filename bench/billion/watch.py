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

from scalable.cli.screen.meter import family, pause, pss

INTERVAL = 0.1  # seconds
_PATIENCE = 10.0  # seconds for a command to end when asked to
_LAST_WORDS = 15  # lines
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
        second or as often as 5 % of a processor allow.
    read_bytes, written_bytes : int
        What reached the storage device, page cache hits left out, as the kernel accounts it; of a process that
        ends between two samples what it moved since the first is missing.
    """

    seconds: float = 0.0
    peak_memory_bytes: int = 0
    read_bytes: int = 0
    written_bytes: int = 0
    _moved: dict[int, tuple[int, int]] = field(default_factory=dict, repr=False)

    def look(self, roots: Sequence[int]) -> None:
        """Add a sample of the processes `roots` and their descendants."""
        members = {pid for root in roots for pid in family(root)}
        self.peak_memory_bytes = max(self.peak_memory_bytes, sum(pss(pid) for pid in members))
        for pid in members:
            if (found := moved(pid)) is not None:
                self._moved[pid] = found
        self.read_bytes = sum(read for read, _ in self._moved.values())
        self.written_bytes = sum(written for _, written in self._moved.values())

    def to_json(self) -> dict[str, Any]:
        """Return JSON types."""
        return {key: value for key, value in asdict(self).items() if not key.startswith("_")}


def moved(pid: int) -> tuple[int, int] | None:
    """Return the bytes that a process had the disk read and write so far; None where the system does not tell."""
    try:
        with open(f"/proc/{pid}/io", encoding="ascii") as file:
            found = dict(line.split(": ") for line in file.read().splitlines())
        return int(found["read_bytes"]), int(found["write_bytes"])
    except (OSError, ValueError, KeyError):  # it is ending
        return None


def start(command: Sequence[str], log: Path, folder: Path) -> subprocess.Popen[bytes]:
    """Start a command in `folder` that prints to `log` and has its temporary files in ``folder/tmp``.

    There, and not where the system keeps them, what a killed command left is found and removed.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    scratch = folder / "tmp"
    scratch.mkdir(parents=True, exist_ok=True)
    path = os.pathsep.join(part for part in (str(_ROOT), os.environ.get("PYTHONPATH", "")) if part)
    with open(log, "ab") as output:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder,
            env={**os.environ, "PYTHONPATH": path, "TMPDIR": str(scratch)},
        )  # fmt: skip


def write_note(note: Path, process: subprocess.Popen[bytes]) -> None:
    """Write down which process it is, for `end_orphan`."""
    with suppress(psutil.Error):  # it has ended already
        note.write_text(f"{process.pid} {psutil.Process(process.pid).create_time():.2f}", "ascii")


def end_orphan(note: Path) -> None:
    """End the command that an interrupted run noted and left running, with all its children."""
    try:
        pid, created = note.read_text("ascii").split()
        process = psutil.Process(int(pid))
        if f"{process.create_time():.2f}" != created:  # the number was given to another process since
            return
    except (OSError, ValueError, psutil.Error):
        return
    end_family(process.pid)


def end_family(pid: int) -> None:
    """End a process and its descendants; what does not end when asked to is killed."""
    members = []
    for member in family(pid):
        with suppress(psutil.Error):
            members.append(psutil.Process(member))
    for process in members:
        with suppress(psutil.Error):
            process.terminate()
    for process in psutil.wait_procs(members, timeout=_PATIENCE)[1]:
        with suppress(psutil.Error):
            process.kill()


def watched(
    command: Sequence[str], log: Path, note: Path, others: Sequence[int] = (), folder: Path | None = None
) -> Cost:
    """Run a command to its end.

    Parameters
    ----------
    command : sequence of str
    log : Path
        What it prints is appended there.
    note : Path
        Told the command's process, for `end_orphan`; it exists from before the command begins.
    others : sequence of int
        Ids of processes that work for it, such as a cluster's; their memory and bytes count too.
    folder : Path, optional
        Where it runs; by default where the note is.

    Raises
    ------
    StageError
        When it ends with another exit code than 0.
    """
    cost, before = Cost(), Cost()
    before.look(others)
    note.touch()
    began = time.perf_counter()
    process = start(command, log, folder or note.parent)
    write_note(note, process)
    done = threading.Event()

    def look() -> None:
        used = 0.0
        while not done.wait(pause(used, INTERVAL)):
            busy = time.thread_time()
            cost.look([process.pid, *others])
            used = time.thread_time() - busy

    watcher = threading.Thread(target=look, name="watch", daemon=True)
    watcher.start()
    try:
        code = process.wait()
        cost.seconds = time.perf_counter() - began
    finally:
        if process.poll() is None:
            _end(process)
        done.set()
        watcher.join()
    cost.read_bytes = max(0, cost.read_bytes - before.read_bytes)
    cost.written_bytes = max(0, cost.written_bytes - before.written_bytes)
    if code != 0:
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        raise StageError(f"{how} of: {' '.join(command)}\n{last_words(log)}")
    return cost


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask as Ctrl-C does, which commands answer with a clean end; insist where that is ignored."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        end_family(process.pid)
        process.wait()


def last_words(log: Path) -> str:
    """Return the end of what a command printed."""
    return "\n".join(log.read_text("utf-8", "replace").strip().splitlines()[-_LAST_WORDS:])
