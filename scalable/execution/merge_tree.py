"""The fixed trees over the shard index along which states merge, whatever the number of workers.

Which ranges merge is a function of the tree alone, so that neighbours merge as soon as both are there.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

FOLDED = 8  # leaves of a run of a tree of folds


def half(n: int) -> int:
    """Return where the binary tree over `n` leaves divides: the largest power of two below `n`."""
    return 1 << (n - 1).bit_length() - 1


def subtrees(n: int, wanted: int) -> list[tuple[int, int]]:
    """Cut ``range(n)`` into nodes of the binary tree, each of at most ``n / wanted`` leaves or single."""
    most = max(1, n // wanted)

    def pieces(low: int, high: int) -> Iterator[tuple[int, int]]:
        if high - low <= most:
            yield low, high
        else:
            middle = low + half(high - low)
            yield from pieces(low, middle)
            yield from pieces(middle, high)

    return list(pieces(0, n))


@dataclass(frozen=True)
class BinaryTree:
    """The tree that halves, over ``range(n)``: sums round least, and any worker's share merges into few nodes."""

    n: int

    def merges(self, low: int, middle: int, high: int) -> bool:
        """Return whether ``[low, middle)`` and ``[middle, high)``, which are nodes or none, are children of a node."""
        start, stop = 0, self.n
        while (start, stop) != (low, high):
            if stop - start == 1:
                return False
            cut = start + half(stop - start)
            if high <= cut:
                stop = cut
            elif low >= cut:
                start = cut
            else:
                return False
        return middle == start + half(stop - start)


@dataclass(frozen=True)
class FoldedRuns:
    """The tree for large states, over ``range(n)``: leaves of a run are merged from left to right, then the runs are.

    Of leaves that come in order, two merged states wait at most, where of a binary tree one of each height does. Runs
    are there for workers that have a share each: only the first of them could merge anything of a single fold.
    """

    n: int
    size: int = FOLDED

    def merges(self, low: int, middle: int, high: int) -> bool:
        """Return whether ``[low, middle)`` and ``[middle, high)``, which are nodes or none, are children of a node."""
        if low % self.size == 0 and middle // self.size == low // self.size:
            return high == middle + 1
        return low == 0 and middle % self.size == 0 and high == min(middle + self.size, self.n)


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
