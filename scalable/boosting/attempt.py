"""One attempt at training with a given set of ranks: start, introduce, watch, and always clean up."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from scalable.boosting.job import Outcome, RankJob
from scalable.boosting.launch import Launcher, Message
from scalable.errors import ClusterError

GRACE_SECONDS = 5.0
STOP_GRACE_SECONDS = 2.0


@dataclass(slots=True)
class Attempt:
    """How an attempt ended: the outcomes of all ranks, in rank order.

    Attributes
    ----------
    outcomes : list of Outcome
        One per rank; a rank that did not answer in time counts as died.
    """

    outcomes: list[Outcome]

    @property
    def succeeded(self) -> bool:
        """True when every rank finished."""
        return all(outcome.status == "done" for outcome in self.outcomes)

    @property
    def lost_ranks(self) -> list[int]:
        """Ranks that died, or that others could no longer reach and that gave no sign themselves."""
        died = [o.rank for o in self.outcomes if o.status == "died"]
        return died or sorted({o.peer for o in self.outcomes if o.status == "lost" and o.peer is not None})

    @property
    def can_carry_on(self) -> bool:
        """True when ranks were lost, rather than failed by an exception of their own or cancelled."""
        return bool(self.lost_ranks) and all(o.status != "error" for o in self.outcomes)

    def error(self, places: Sequence[str]) -> Exception:
        """Return the exception to raise: the original one of a rank, or one that names the lost ranks."""
        for outcome in self.outcomes:
            if outcome.status == "error" and outcome.error is not None:
                return outcome.error
        for outcome in self.outcomes:
            if outcome.status == "died":
                return ClusterError(
                    f"boosting stopped: rank {outcome.rank} on {places[outcome.rank]} was lost, "
                    f"{outcome.reason}; look at that worker's log and memory and start again"
                )
        for outcome in self.outcomes:
            if outcome.status == "lost":
                return ClusterError(
                    f"boosting stopped: rank {outcome.rank} on {places[outcome.rank]} saw that {outcome.reason}; "
                    "check the network between the workers and start again"
                )
        return ClusterError("boosting was cancelled on the cluster; start again")


def run_attempt(
    launcher: Launcher,
    jobs: Sequence[RankJob],
    hear: Callable[[Message], None],
) -> Attempt:
    """Run all ranks to their ends.

    Parameters
    ----------
    launcher : Launcher
        How ranks are started.
    jobs : sequence of RankJob
        One per rank, in rank order.
    hear : callable
        Receives the ranks' progress messages, on the calling thread.
    """
    inbox: queue.Queue[Message] = queue.Queue()
    roster: dict[int, Any] = {}
    failed_at: float | None = None
    try:
        launcher.start(jobs, inbox.put)
        while True:
            _drain(inbox, roster, jobs, launcher, hear)
            outcomes = launcher.outcomes()
            if len(outcomes) == len(jobs):
                break
            if failed_at is None and any(o.status != "done" for o in outcomes.values()):
                failed_at = time.monotonic()
            # The survivors notice a lost peer by themselves and say so; then they are not waited for.
            if failed_at is not None and time.monotonic() - failed_at > GRACE_SECONDS:
                break
    finally:
        launcher.stop()
    ended = launcher.outcomes()
    silent = [job.rank for job in jobs if job.rank not in ended]
    for rank in silent:
        ended[rank] = Outcome("stopped", rank, reason="it was stopped with the others")
    return Attempt([ended[job.rank] for job in jobs])


def _drain(
    inbox: queue.Queue[Message],
    roster: dict[int, Any],
    jobs: Sequence[RankJob],
    launcher: Launcher,
    hear: Callable[[Message], None],
) -> None:
    """Handle the messages of the next tenth of a second."""
    try:
        message = inbox.get(timeout=0.1)
    except queue.Empty:
        return
    while True:
        if message["kind"] == "hello":
            roster[message["rank"]] = message["address"]
            if len(roster) == len(jobs):
                launcher.deliver([roster[job.rank] for job in jobs])
        else:
            hear(message)
        try:
            message = inbox.get_nowait()
        except queue.Empty:
            return
