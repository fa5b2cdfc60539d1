"""One attempt at training with a given set of workers: start, introduce, watch, and always clean up."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scalable.boosting.workers.job import Outcome, WorkerJob
from scalable.boosting.workers.launchers import Launcher, Message
from scalable.errors import ClusterError

GRACE_SECONDS = 5.0
PEERS_SECONDS = 5.0


@dataclass(slots=True)
class Attempt:
    """How an attempt ended: the outcomes of all workers, in worker order.

    Attributes
    ----------
    outcomes : list of Outcome
        One per worker; a worker that did not answer in time counts as died.
    """

    outcomes: list[Outcome]

    @property
    def succeeded(self) -> bool:
        """True when every worker finished."""
        return all(outcome.status == "done" for outcome in self.outcomes)

    @property
    def lost_workers(self) -> list[int]:
        """Workers that died, or that others could no longer reach and that gave no sign themselves."""
        died = [o.worker for o in self.outcomes if o.status == "died"]
        return died or sorted({o.peer for o in self.outcomes if o.status == "lost" and o.peer is not None})

    @property
    def can_carry_on(self) -> bool:
        """True when workers were lost, rather than failed by an exception of their own or cancelled."""
        return bool(self.lost_workers) and all(o.status != "error" for o in self.outcomes)

    def error(self, places: Sequence[str]) -> Exception:
        """Return the exception to raise: the original one of a worker, or one that names the lost workers."""
        for outcome in self.outcomes:
            if outcome.status == "error" and outcome.error is not None:
                return outcome.error
        for outcome in self.outcomes:
            if outcome.status == "died":
                return ClusterError(
                    f"boosting stopped: worker {outcome.worker} on {places[outcome.worker]} was lost, "
                    f"{outcome.reason}; look at that worker's log and memory and start again"
                )
        for outcome in self.outcomes:
            if outcome.status == "lost":
                return ClusterError(
                    f"boosting stopped: worker {outcome.worker} on {places[outcome.worker]} saw that {outcome.reason}; "
                    "check the network between the workers and start again"
                )
        return ClusterError("boosting was cancelled on the cluster; start again")


def run_attempt(
    launcher: Launcher,
    jobs: Sequence[WorkerJob],
    hear: Callable[[Message], None],
) -> Attempt:
    """Run all workers to their ends.

    Parameters
    ----------
    launcher : Launcher
        How workers are started.
    jobs : sequence of WorkerJob
        One per worker, in worker order.
    hear : callable
        Receives the workers' progress messages, on the calling thread.
    """
    inbox: queue.Queue[Message] = queue.Queue()
    meeting = _Meeting(launcher, len(jobs))
    failed_at: float | None = None
    try:
        launcher.start(jobs, inbox.put)
        while True:
            _drain(inbox, meeting, hear)
            meeting.remind()
            outcomes = launcher.outcomes()
            if len(outcomes) == len(jobs):
                break
            if failed_at is None and any(o.status != "done" for o in outcomes.values()):
                failed_at = time.monotonic()
            # Survivors that know each other notice a lost peer by themselves and say so.
            grace = GRACE_SECONDS if meeting.complete else 0.0
            if failed_at is not None and time.monotonic() - failed_at > grace:
                break
    finally:
        launcher.stop()
    ended = launcher.outcomes()
    silent = [job.worker for job in jobs if job.worker not in ended]
    for worker in silent:
        ended[worker] = Outcome("stopped", worker, reason="it was stopped with the others")
    return Attempt([ended[job.worker] for job in jobs])


class _Meeting:
    """Collects where workers listen and tells them all, until every one of them has shaken hands with the others."""

    def __init__(self, launcher: Launcher, n_workers: int) -> None:
        self._launcher, self._n_workers = launcher, n_workers
        self._peers: dict[int, tuple[str, int]] = {}
        self._connected: set[int] = set()
        self._told = 0.0

    def hear(self, message: Message) -> None:
        """Take note of a worker's message."""
        if message["kind"] == "hello":
            self._peers[message["index"]] = message["address"]
        elif message["kind"] == "handshake":
            self._connected.add(message["index"])

    @property
    def complete(self) -> bool:
        """Whether every worker has said where it listens."""
        return len(self._peers) == self._n_workers

    def remind(self) -> None:
        """Deliver the peers once it is complete, and again while a worker may not have got it."""
        awaited = self.complete and len(self._connected) < self._n_workers
        if awaited and time.monotonic() - self._told > PEERS_SECONDS:
            self._launcher.deliver([self._peers[worker] for worker in range(self._n_workers)])
            self._told = time.monotonic()


def _drain(inbox: queue.Queue[Message], meeting: _Meeting, hear: Callable[[Message], None]) -> None:
    """Handle the messages of the next tenth of a second."""
    try:
        message = inbox.get(timeout=0.1)
    except queue.Empty:
        return
    while True:
        meeting.hear(message)
        hear(message)
        try:
            message = inbox.get_nowait()
        except queue.Empty:
            return
