"""The process of one worker: fill, connect, train, answer, and die rather than hang.

It is started by `scalable.boosting.workers.supervise` as ``python -m scalable.boosting.workers.process``.
It ends at once when its parent dies, closes the pipe or falls silent; when a peer is lost it says so and ends.
LightGBM cannot be interrupted, so ending the process is the only way to give up in the middle of a tree.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import queue
import signal
import sys
import threading
import time
from typing import IO, Any

from scalable.boosting.workers.job import Outcome, WorkerJob, read_frame, write_frame
from scalable.boosting.workers.life import peak_rss
from scalable.deferred import defer, leave_lightgbm_alone

PARENT_SLACK = 5.0  # beyond the silence at which peers give each other up
PR_SET_PDEATHSIG = 1
EXIT_LOST = 71
EXIT_ORPHAN = 72


class Parent:
    """The pipes to the supervising process."""

    def __init__(self, incoming: IO[bytes], outgoing: IO[bytes], silence: float) -> None:
        self._incoming, self._outgoing, self._silence = incoming, outgoing, silence
        self._lock = threading.Lock()
        self.peers: queue.Queue[list[tuple[str, int]]] = queue.Queue()
        self._heard = time.monotonic()

    def tell(self, kind: str, **content: Any) -> None:
        """Send one message; a parent that is gone ends this process."""
        try:
            with self._lock:
                write_frame(self._outgoing, {"kind": kind, **content})
        except OSError:
            os._exit(EXIT_ORPHAN)

    def listen_forever(self) -> None:
        """Read messages until the pipe closes; the body of a daemon thread."""
        with contextlib.suppress(EOFError, OSError):
            while True:
                message = read_frame(self._incoming)
                self._heard = time.monotonic()
                if message["kind"] == "peers":
                    self.peers.put(message["peers"])
        os._exit(EXIT_ORPHAN)

    def beat_forever(self) -> None:
        """Report memory every second; the body of a daemon thread."""
        while True:
            time.sleep(1.0)
            self.tell("beat", peak_rss=peak_rss())

    def watch_forever(self) -> None:
        """Give up on a silent parent; the body of a daemon thread.

        It writes nothing: a frozen parent does not read, and the pipe fills.
        """
        while True:
            time.sleep(1.0)
            if time.monotonic() - self._heard > self._silence + PARENT_SLACK:
                os._exit(EXIT_ORPHAN)


def die_with_parent() -> None:
    """Ask Linux to kill this process when the thread that started it ends."""
    parent = os.getppid()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(EXIT_ORPHAN)


def main() -> None:
    """Run one worker over the pipes at standard input and output."""
    die_with_parent()
    defer()
    leave_lightgbm_alone()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C reaches the parent, which decides
    # Whatever prints must not end up between the frames.
    outgoing = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    incoming = sys.stdin.buffer
    job: WorkerJob = read_frame(incoming)
    parent = Parent(incoming, outgoing, job.silence)
    for body in (parent.listen_forever, parent.beat_forever, parent.watch_forever):
        threading.Thread(target=body, daemon=True).start()
    try:
        outcome = _connect_and_train(job, parent)
    except BaseException as error:
        outcome = _failure(job, error)
    parent.tell("outcome", outcome=outcome)
    # Native threads and pipes may linger; everything that matters has been flushed.
    os._exit(0)


def _failure(job: WorkerJob, error: BaseException) -> Outcome:
    from scalable.boosting.comm.handshake import PeerLostError

    if isinstance(error, PeerLostError):
        return Outcome("lost", job.worker, peer=error.peer, reason=str(error))
    kept = error if isinstance(error, Exception) else RuntimeError(repr(error))
    import pickle
    import traceback

    try:
        pickle.loads(pickle.dumps(kept))
    except Exception:  # pickling runs code of whoever wrote the exception: anything may be raised
        kept = RuntimeError(f"{type(error).__name__}: {error}")
    return Outcome("error", job.worker, error=kept, reason="".join(traceback.format_exception(error)))


def _connect_and_train(job: WorkerJob, parent: Parent) -> Outcome:
    from scalable.boosting.training.loop import train_worker

    if job.n_workers == 1:
        return train_worker(job, None, parent.tell)

    from scalable.boosting.comm.collectives import Collectives
    from scalable.boosting.comm.handshake import listen
    from scalable.boosting.comm.mesh import Mesh

    listener = listen(job.host)
    parent.tell("hello", address=(job.host, listener.getsockname()[1]))
    peers = parent.peers.get()
    mesh = Mesh(job.worker, peers, job.secret, listener, silence=job.silence, credentials=job.credentials)
    parent.tell("handshake")

    def give_up(error: BaseException) -> None:
        parent.tell("outcome", outcome=_failure(job, error))
        os._exit(EXIT_LOST)

    with contextlib.ExitStack() as stack:
        stack.callback(mesh.close)
        if job.engine == "lightgbm":
            stack.callback(Collectives(mesh, give_up, job.initial).close)
        return train_worker(job, mesh, parent.tell)


if __name__ == "__main__":
    main()
