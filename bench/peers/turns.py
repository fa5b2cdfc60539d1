"""Whose turn it is, and whether there is time for it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from bench.peers.registry import Entry, contenders

Turn = tuple[int, str, Entry]  # repeat, job, contender
Who = tuple[str, str]  # job, name of the contender


def turns(jobs: Sequence[str], repeats: int) -> Iterator[Turn]:
    """Yield every run; each repeat begins with another contender, so that none has the best place always."""
    for repeat in range(repeats):
        for job in jobs:
            entries = contenders(job)
            for place in range(len(entries)):
                yield repeat, job, entries[(place + repeat) % len(entries)]


class Schedule:
    """What has been run, and what can still be run.

    Parameters
    ----------
    runs : iterable of dict
        Rows of an interrupted comparison.
    within : float, optional
        Seconds from now that the comparison may take. Everyone gets a first turn while there is time at all,
        so the first turn of one may end late, by no more than its own limit; a further one is given when
        as much time as its slowest so far is left.
    """

    def __init__(self, runs: Iterable[dict[str, Any]], within: float | None = None) -> None:
        self._end = None if within is None else time.monotonic() + within
        self._done: set[tuple[str, str, int]] = set()
        self._ended: set[Who] = set()
        self._slowest: dict[Who, float] = {}
        self.left_out = 0  # turns that there was no time for
        for row in runs:
            self.note(row)

    def note(self, row: dict[str, Any]) -> None:
        """Take account of a run; who is absent or failed gets no further turn."""
        who = (row["job"], row["peer"])
        self._done.add((*who, row["repeat"]))
        self._slowest[who] = max(self._slowest.get(who, 0.0), row.get("wall_seconds", 0.0))
        if row["status"] != "ok":
            self._ended.add(who)

    def wanted(self, turn: Turn) -> bool:
        """Return whether this turn is to be taken now."""
        repeat, job, entry = turn
        if (job, entry.name, repeat) in self._done or (job, entry.name) in self._ended:
            return False
        if (
            self._end is not None
            and time.monotonic() + self._slowest.get((job, entry.name), 0.0) >= self._end
        ):
            self.left_out += 1
            return False
        return True
