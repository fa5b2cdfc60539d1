"""The fixed trees over the shard index along which states merge, whatever the number of workers.

Which ranges merge is a function of the tree alone, so that neighbours may merge as soon as both are there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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
