"""The reduction: how everything that learns from data in one pass is written.

This is the summation form of Chu et al., "Map-Reduce for Machine Learning on Multicore" (2006):
a state is built from the rows of a shard and states merge along a fixed tree over the shard
index, so neither the executor nor the number of workers can change a bit of the result.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, TypeVar

Block_contra = TypeVar("Block_contra", contravariant=True)
Result_co = TypeVar("Result_co", covariant=True)
State = TypeVar("State")


class Reduction(Protocol[State, Block_contra, Result_co]):
    """Immutable, picklable parameters with four functions of a state."""

    def init(self) -> State:
        """Return the state of no rows."""

    def step(self, state: State, block: Block_contra) -> State:
        """Return the state after one more block; may update `state` in place."""

    def merge(self, left: State, right: State) -> State:
        """Return the state of the rows of both; `left` holds the earlier rows."""

    def finish(self, state: State) -> Result_co:
        """Return the result."""


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


def merge_tree(reduction: Reduction[Any, Any, Any], states: Sequence[tuple[int, int, Any]], n: int) -> Any:
    """Merge states of consecutive ranges, which are nodes of the tree over ``range(n)``.

    Parameters
    ----------
    reduction : Reduction
        Its ``merge`` is called on neighbours, earlier rows left.
    states : sequence of (low, high, state)
        In order, covering ``range(n)``.
    n : int
        Number of leaves of the tree.
    """
    by_range = {(low, high): state for low, high, state in states}

    def node(low: int, high: int) -> Any:
        if (low, high) in by_range:
            return by_range.pop((low, high))
        middle = low + half(high - low)
        return reduction.merge(node(low, middle), node(middle, high))

    return node(0, n)
