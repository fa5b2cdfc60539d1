"""Starts a contender's process, watches its memory while the clock runs, and ends all it started."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scalable.cli.screen.meter import INTERVAL, memory_of, pause

ROOT = Path(__file__).resolve().parents[2]
THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Launch:
    """How contenders are started.

    Parameters
    ----------
    pythons : sequence of str
        Interpreters; a contender that is absent in one is tried in the next.
    threads : int
        Threads of every library that reads its number from the environment.
    timeout : float
        Seconds a contender may take in all, warm-up and judgement included.
    logs : Path
        Directory for what contenders print.
    scratch : Path
        Directory for what they put on disk, removed with them however they end.
    """

    pythons: Sequence[str]
    threads: int
    timeout: float
    logs: Path
    scratch: Path


def command(python: str, job: str, name: str, task: Path) -> str:
    """Return the command that repeats one contender's part."""
    return shlex.join([python, "-m", "bench.peers.child", job, name, "--task", str(task)])


def launch(how: Launch, job: str, name: str, task: Path) -> dict[str, Any]:
    """Run one contender once in a fresh process and return its row.

    ``wall_seconds`` is what the run took in all: start, warm-up, preparation, timed part and judgement.
    A contender that dies or takes too long makes a row of status "failed"; `KeyboardInterrupt` ends it with
    all processes it started.
    """
    row: dict[str, Any] = {}
    start = time.monotonic()
    for python in how.pythons:
        row = {**_launch(how, python, job, name, task), "command": command(python, job, name, task)}
        if row["status"] != "absent":
            break
    return {**row, "wall_seconds": time.monotonic() - start}


def _launch(how: Launch, python: str, job: str, name: str, task: Path) -> dict[str, Any]:
    for folder in (how.logs, how.scratch):
        folder.mkdir(parents=True, exist_ok=True)
    log = how.logs / f"{job}-{name.replace(' ', '-')}.log"
    path = os.pathsep.join(part for part in (str(ROOT), os.environ.get("PYTHONPATH", "")) if part)
    environment = {**os.environ, **dict.fromkeys(THREADS, str(how.threads)), "PYTHONPATH": path}
    hear, say = os.pipe()
    kept = tempfile.TemporaryDirectory(prefix="versus-", dir=how.scratch, ignore_cleanup_errors=True)
    with kept as scratch, open(log, "ab") as output:
        result = Path(scratch) / "row.json"
        arguments = [python, "-P", "-m", "bench.peers.child", job, name, "--task", str(task)]
        process = subprocess.Popen(
            [*arguments, "--result", str(result), "--events", str(say), "--scratch", scratch],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, pass_fds=(say,),
            start_new_session=True,
        )  # fmt: skip
        os.close(say)
        try:
            peak, late = _watch(process, hear, time.monotonic() + how.timeout)
        finally:
            os.close(hear)
            end_group(process)
        if late:
            return {
                "status": "failed",
                "message": f"took longer than {how.timeout:,.0f} s in all, so it was ended",
            }
        if not result.is_file():
            return {"status": "failed", "message": f"{_end(process.returncode)}; see {log}"}
        row: dict[str, Any] = json.loads(result.read_text("utf-8"))
        return {**row, "peak_memory_bytes": peak} if row["status"] == "ok" else row


def _watch(process: subprocess.Popen[bytes], hear: int, deadline: float) -> tuple[int, bool]:
    """Return the peak memory of the process and its descendants while timed, and whether it was late."""
    peak, running = 0, False
    while process.poll() is None:
        if time.monotonic() > deadline:
            return peak, True
        began = time.thread_time()
        if running:
            peak = max(peak, memory_of(process.pid))
        if select.select([hear], [], [], pause(time.thread_time() - began))[0]:
            words = os.read(hear, 4096)
            if not words:  # the process is ending
                time.sleep(INTERVAL)
            for word in words.split():
                running = word != b"done"
                if not running:  # a part may be over before anybody looked
                    peak = max(peak, memory_of(process.pid))
    return peak, False


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and whatever else runs in the session made for it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _end(code: int) -> str:
    if code < 0:
        return f"ended by {signal.Signals(-code).name}" + (
            ", perhaps for lack of memory" if code == -signal.SIGKILL else ""
        )
    return f"ended with exit code {code} and no result"
