"""Which workers of a Dask cluster have gone silent without leaving it."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any

from scalable.errors import ClusterError

CHECK_SECONDS = 1.0
ANSWER_SECONDS = 5.0
LOST = "the connection to the Dask scheduler was lost; restart it and resume"


class Liveness:
    """Watches the heartbeats that workers send to the scheduler.

    A stopped process keeps its connections, so distributed itself waits five minutes before it
    gives such a worker up. Ages are counted by this process's clock, from when a heartbeat was
    first seen to stand still; the clocks of other hosts do not matter.

    Parameters
    ----------
    client : distributed.Client
        Connected and synchronous.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._answered = time.monotonic()
        self._asked = float("-inf")
        self._seen: dict[str, tuple[float, float]] | None = None

    def ages(self) -> dict[str, float] | None:
        """Return the seconds since its last heartbeat of every worker in the cluster, by address.

        Asks the scheduler once a second at most, and counts until its last answer; None before the first.
        """
        if time.monotonic() - self._asked >= CHECK_SECONDS:
            self._ask()
        if self._seen is None:
            return None
        return {address: self._answered - since for address, (_, since) in self._seen.items()}

    def scheduler_age(self) -> float:
        """Return the seconds since the scheduler's last answer."""
        self.ages()
        return time.monotonic() - self._answered

    def check(self, seconds: float, among: Collection[str] | None = None) -> None:
        """Raise a ClusterError where the scheduler is lost, or it or a worker gave no sign of life for so long.

        Parameters
        ----------
        seconds : float
        among : collection of str, optional
            Addresses of the workers that matter; by default all.
        """
        if self._client.status != "running":
            raise ClusterError(LOST)
        ages = self.ages() or {}
        frozen = [name for name, age in ages.items() if age > seconds and (among is None or name in among)]
        if frozen or self.scheduler_age() > seconds:
            who = f"worker {frozen[0]}" if frozen else "the Dask scheduler"
            raise ClusterError(
                f"{who} gave no sign of life for {seconds:.0f} s; restart it and run this again"
            )

    def _ask(self) -> None:
        client = self._client
        try:
            if client.status == "running":
                found = client.sync(client.scheduler.identity, n_workers=-1, callback_timeout=ANSWER_SECONDS)
                self._note(
                    {address: float(worker["last_seen"]) for address, worker in found["workers"].items()}
                )
        except (OSError, RuntimeError):  # timed out, the connection broke, or the client was closed meanwhile
            pass
        self._asked = time.monotonic()

    def _note(self, beats: dict[str, float]) -> None:
        now = self._answered = time.monotonic()
        before = self._seen or {}
        self._seen = {
            address: before[address] if address in before and before[address][0] == beat else (beat, now)
            for address, beat in beats.items()
        }
