"""What one worker does with the shards it was given; the same code on a thread and on Dask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from scalable.data.shard import Shard
from scalable.execution.fetching import fetch
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import Reduction, half

AHEAD_ROWS = 2**20  # that the disk is asked for before they are wanted: a shard at a time leaves it idle
Report = Callable[[int, dict[str, float]], None]


class StoppedError(Exception):
    """Raised inside a worker whose work is no longer wanted."""


@dataclass(frozen=True)
class Work:
    """A reduction over groups of shards.

    Parameters
    ----------
    reduction : Reduction
        Optionally with ``metrics(state) -> dict`` for the progress display.
    reader : BlockReader
        Where blocks come from.
    groups : tuple of tuple of Shard
        Each group yields one state.
    start : state or None
        None: every shard starts from ``reduction.init()`` and the shards of a group merge along the
        binary tree over their positions. Otherwise each group is one replica: its shards are learned
        one after another, starting from this state.
    """

    reduction: Reduction[Any, Any, Any]
    reader: BlockReader
    groups: tuple[tuple[Shard, ...], ...]
    start: Any = None

    @property
    def n_rows(self) -> int:
        """Number of rows in all groups."""
        return sum(shard.n_rows for group in self.groups for shard in group)

    def partition(self, n: int) -> list[Work]:
        """Divide into at most `n` works of consecutive groups and about equally many rows."""
        sizes = [sum(shard.n_rows for shard in group) for group in self.groups]
        hands: dict[int, list[tuple[Shard, ...]]] = {}
        total, before = max(1, sum(sizes)), 0
        for position, (group, size) in enumerate(zip(self.groups, sizes, strict=True)):
            # A group goes where its middle row falls; with a hand for each, where its position says.
            hand = position if n >= len(sizes) else min(n - 1, (2 * before + size) * n // (2 * total))
            hands.setdefault(hand, []).append(group)
            before += size
        return [replace(self, groups=tuple(groups)) for groups in hands.values()]

    def packed(self) -> Work:
        """Return the same work without what its shards do not need, to be sent elsewhere."""
        shards = [shard for group in self.groups for shard in group]
        return replace(self, reader=self.reader.only(shards))

    def run(self, stopped: Callable[[], bool], report: Report) -> list[Any]:
        """Compute one state a group.

        Parameters
        ----------
        stopped : callable
            Asked before every block; True ends the work with `StoppedError`.
        report : callable
            Told the rows of every finished block and the reduction's metrics.
        """
        return [self._group(group, stopped, report) for group in self.groups]

    def _group(self, group: tuple[Shard, ...], stopped: Callable[[], bool], report: Report) -> Any:
        if self.start is not None:
            state = self.start
            for k in range(len(group)):
                state = self._shard(group, k, state, stopped, report)
            return state

        def node(low: int, high: int) -> Any:
            if high - low == 1:
                return self._shard(group, low, self.reduction.init(), stopped, report)
            middle = low + half(high - low)
            left = node(low, middle)
            return self.reduction.merge(left, node(middle, high))

        return node(0, len(group))

    def _shard(
        self, group: Sequence[Shard], k: int, state: Any, stopped: Callable[[], bool], report: Report
    ) -> Any:
        metrics = getattr(self.reduction, "metrics", None)
        ahead = shards_ahead(group)
        fetch(self.reader, group[k + ahead if k else 1 : k + ahead + 1])
        for block in self.reader.blocks(group[k]):
            if stopped():
                raise StoppedError
            state = self.reduction.step(state, block)
            report(block.n_rows, metrics(state) if metrics is not None else {})
        return state


def shards_ahead(group: Sequence[Shard]) -> int:
    """Return how many shards of a group, read one after another, are fetched before they are wanted."""
    return max(1, AHEAD_ROWS // max(1, group[0].n_rows))
