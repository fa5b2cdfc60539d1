"""Results of groups of shards as they come, each merged with its neighbours as soon as those are there."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Merging(Protocol):
    """A task whose results of neighbouring groups are merged."""

    def merges(self, first: int, middle: int, stop: int) -> bool:
        """Return whether the results of groups ``[first, middle)`` and ``[middle, stop)`` are to be one."""

    def merge(self, left: Any, right: Any) -> Any:
        """Return the result of both; `left` is of the earlier groups."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of the groups ``[first, stop)`` of a work."""

    first: int
    stop: int
    value: Any


class Results:
    """Results that threads add; those that wait for a neighbour are all that is kept.

    Parameters
    ----------
    task : Task
        What they are of; where it is `Merging`, neighbours are merged by whoever adds the later of them.
    """

    def __init__(self, task: Any) -> None:
        self._merging = task if isinstance(task, Merging) else None
        self._lock = threading.Lock()
        self._by_first: dict[int, Result] = {}
        self._by_stop: dict[int, Result] = {}

    def add(self, result: Result) -> None:
        """Add a result, and merge as long as there are neighbours."""
        merging = self._merging
        while True:
            with self._lock:
                pair = None if merging is None else self._taken(merging, result)
                if merging is None or pair is None:
                    self._by_first[result.first] = self._by_stop[result.stop] = result
                    return
            left, right = pair  # nobody's neighbours meanwhile; what comes of them is looked at again
            result = Result(left.first, right.stop, merging.merge(left.value, right.value))
            del pair, left, right

    def in_order(self) -> list[Result]:
        """Return those that are left, in the order of the groups."""
        with self._lock:
            return [self._by_first[first] for first in sorted(self._by_first)]

    def _taken(self, merging: Merging, result: Result) -> tuple[Result, Result] | None:
        """Take out a neighbour to be merged with, and return both in order."""
        before, after = self._by_stop.get(result.first), self._by_first.get(result.stop)
        if before is not None and merging.merges(before.first, result.first, result.stop):
            del self._by_stop[before.stop], self._by_first[before.first]
            return before, result
        if after is not None and merging.merges(result.first, result.stop, after.stop):
            del self._by_stop[after.stop], self._by_first[after.first]
            return result, after
        return None
