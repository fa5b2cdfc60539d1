"""The parent's side of one worker: start its process, pass messages, and leave no process behind."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from scalable.boosting.workers.job import Outcome, WorkerJob, read_frame, write_frame
from scalable.boosting.workers.life import processor_seconds
from scalable.boosting.workers.life import stopped as stopped_for_good
from scalable.openmp import short_waits

PING_SECONDS = 2.0
POLL_SECONDS = 0.1
SOON_SECONDS = 0.005  # for peers, which all workers wait for
# This package is found where it is; the working folder comes last, for functions of the user's own. What he calls
# data_gen.py or bench/ must not be taken for ours, nor his random.py for Python's.
PATIENCE = 6  # times the silence for a process that lives but gets no processor
_HOME = str(Path(__file__).resolve().parents[3])
_START = (
    "import runpy, sys; home, here = sys.argv[1:]; home in sys.path or sys.path.insert(0, home); "
    "sys.path.append(here); "
    "runpy.run_module('scalable.boosting.workers.process', run_name='__main__', alter_sys=True)"
)
LOAD_SECONDS = 30.0  # until a worker's first word


class Mailbox:
    """Where the driver leaves the peers, or the wish to stop, for a worker's supervisor."""

    def __init__(self) -> None:
        self.peers: list[tuple[str, int]] | None = None
        self.stop = threading.Event()


def supervise(
    job: WorkerJob,
    mailbox: Mailbox,
    tell: Callable[[dict[str, Any]], None],
    stopped: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Run one worker in a process of its own until it ends, and see to it that it does.

    Parameters
    ----------
    job : WorkerJob
        What the worker does.
    mailbox : Mailbox
        Read every tenth of a second, and sooner while its peers are waited for.
    tell : callable
        Receives the worker's messages, each a dict with "kind" and the worker's "index" (Dask sets a "worker" itself).
    stopped : callable
        A further reason to stop, e.g. that the Dask task was cancelled.
    """
    child = _start(job)
    messages: queue.Queue[dict[str, Any] | None] = queue.Queue()
    outgoing: queue.Queue[Any] = queue.Queue()
    for body, channel in ((_read_forever, messages), (_write_forever, outgoing)):
        threading.Thread(target=body, args=(child, channel), daemon=True).start()
    outcome: Outcome | None = None
    try:
        outgoing.put(job)
        outcome = _converse(job, child, messages, outgoing, mailbox, tell, stopped)
    finally:
        outgoing.put(None)
        _end(child, 5.0 if outcome is not None and outcome.status == "done" else 0.0)
    return outcome


def _write_forever(child: subprocess.Popen[bytes], outgoing: queue.Queue[Any]) -> None:
    """Write what is put until None; a thread of its own, because a frozen process does not read its pipe."""
    # A broken pipe means that the process is gone; what it said last is still to be read.
    with contextlib.suppress(OSError, ValueError):
        while (message := outgoing.get()) is not None:
            write_frame(_pipe(child.stdin), message)


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None  # both are pipes, as _start asks for
    return stream


def _start(job: WorkerJob) -> subprocess.Popen[bytes]:
    env = {
        **short_waits(os.environ),
        **os.environ,
        "OMP_NUM_THREADS": str(job.n_threads),
        # A worker's few dot products would wake threads that spin beside the other workers of its machine.
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }
    # Dask's, for workers that live long: with it every large array is mapped anew.
    env.pop("MALLOC_TRIM_THRESHOLD_", None)
    # A terminal's Ctrl-C reaches the worker too, also before it can say that it leaves that to its parent.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return subprocess.Popen(worker_command(job), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def worker_command(job: WorkerJob) -> list[str]:
    """Return the command line of a worker's process."""
    return [sys.executable, "-P", "-c", _START, _HOME, os.getcwd()]


def _read_forever(child: subprocess.Popen[bytes], messages: queue.Queue[dict[str, Any] | None]) -> None:
    with contextlib.suppress(EOFError, OSError, ValueError):
        while True:
            messages.put(read_frame(_pipe(child.stdout)))
    messages.put(None)


def _converse(
    job: WorkerJob,
    child: subprocess.Popen[bytes],
    messages: queue.Queue[dict[str, Any] | None],
    outgoing: queue.Queue[Any],
    mailbox: Mailbox,
    tell: Callable[[dict[str, Any]], None],
    stopped: Callable[[], bool],
) -> Outcome:
    """Pass messages until the worker has an outcome, or its process ended without one."""
    introduced, spoken, pinged, heard = False, False, 0.0, time.monotonic()
    polled = POLL_SECONDS
    saved, used = None, 0.0
    tell({"kind": "started", "index": job.worker, "pid": child.pid})
    while True:
        if mailbox.stop.is_set() or stopped():
            return Outcome("stopped", job.worker, saved=saved)
        if mailbox.peers is not None and not introduced:
            outgoing.put({"kind": "peers", "peers": mailbox.peers})
            introduced, polled = True, POLL_SECONDS
        if time.monotonic() - pinged > PING_SECONDS:
            pinged = time.monotonic()
            outgoing.put({"kind": "ping"})
        try:
            message = messages.get(timeout=polled)
        except queue.Empty:
            # Its peers are quicker, and are first to say so; loading libraries may take its time.
            silent = time.monotonic() - heard
            most = job.silence + 2 if spoken else max(job.silence, LOAD_SECONDS)
            if silent > most and (silent > PATIENCE * most or stopped_for_good(child.pid, used)):
                reason = f"its process was frozen for {job.silence:.0f} s"
                return Outcome("died", job.worker, reason=reason, saved=saved)
            continue
        heard, spoken, used = time.monotonic(), True, processor_seconds(child.pid)
        if message is None:
            child.wait()
            stats = {"pid": child.pid}
            return Outcome("died", job.worker, reason=_how(child.returncode), stats=stats, saved=saved)
        if message["kind"] == "outcome":
            result: Outcome = message["outcome"]
            result.saved = saved
            return result
        if message["kind"] == "saved":
            saved = message["saved"]
            continue
        if message["kind"] == "hello" and not introduced:
            polled = SOON_SECONDS
        tell({**message, "index": job.worker})


def _end(child: subprocess.Popen[bytes], grace: float) -> None:
    """Reap the process, by force unless it ends within `grace` seconds."""
    try:
        child.wait(grace)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    for pipe in (child.stdin, child.stdout):
        with contextlib.suppress(OSError):
            if pipe is not None:
                pipe.close()


def _how(code: int) -> str:
    if code < 0:
        name = signal.Signals(-code).name
        hint = " (often the kernel's or Dask's answer to too much memory)" if name == "SIGKILL" else ""
        return f"its process was ended by {name}{hint}"
    return f"its process ended with exit code {code}"
