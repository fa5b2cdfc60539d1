"""The fixed binary tree over the shard index along which states merge, whatever the number of workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

State = TypeVar("State")


def half(n: int) -> int:
    """Return where the merge tree over `n` shards divides: the largest power of two below `n`."""
    return 1 << (n - 1).bit_length() - 1


def subtrees(n: int, wanted: int) -> list[tuple[int, int]]:
    """Cut ``range(n)`` into nodes of the merge tree, each of at most ``n / wanted`` leaves or single."""
    most = max(1, n // wanted)

    def pieces(low: int, high: int) -> Iterator[tuple[int, int]]:
        if high - low <= most:
            yield low, high
        else:
            middle = low + half(high - low)
            yield from pieces(low, middle)
            yield from pieces(middle, high)

    return list(pieces(0, n))


def merge_tree(
    merge: Callable[[State, State], State], states: Sequence[tuple[int, int, State]], n: int
) -> State:
    """Merge states of consecutive ranges, which are nodes of the tree over ``range(n)``.

    Parameters
    ----------
    merge : callable
        Called on neighbours, earlier rows left.
    states : sequence of (low, high, state)
        In order, covering ``range(n)``.
    n : int
        Number of leaves of the tree.
    """
    by_range = {(low, high): state for low, high, state in states}

    def node(low: int, high: int) -> State:
        if (low, high) in by_range:
            return by_range.pop((low, high))
        middle = low + half(high - low)
        return merge(node(low, middle), node(middle, high))

    return node(0, n)
