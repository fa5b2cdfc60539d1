"""What one worker does with the shards it was given; the same code on a thread and on Dask."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar, runtime_checkable

from scalable.data.shard import Shard
from scalable.execution.fetching import fetch, forget
from scalable.execution.merge_tree import Result, Results
from scalable.execution.reader import BlockReader

AHEAD_ROWS = 2**21  # that the disk is asked for before they are wanted: a shard at a time leaves it idle
Report = Callable[[int, dict[str, float]], None]
Group = tuple[Shard, ...]
State = TypeVar("State")
T = TypeVar("T")


class StoppedError(Exception):
    """Raised inside a worker whose work is no longer wanted."""


class Task(Protocol):
    """What is done with a group of shards; immutable and picklable.

    Where it is `scalable.execution.merge_tree.Merging` too, results of neighbouring groups become one.
    """

    def run(self, rows: GroupRows) -> Any:
        """Return the result of one group."""


@runtime_checkable
class InTurns(Protocol):
    """A task that may be left after any shard of a group, and be gone on with on another thread."""

    def turns(self, rows: GroupRows) -> Generator[None, None, Any]:
        """Yield after each shard of a group; return its result."""


def finished(turns: Generator[None, None, T]) -> T:
    """Return the result of a group whose turns are taken one after another."""
    while True:
        try:
            next(turns)
        except StopIteration as end:
            result: T = end.value
            return result


@dataclass(frozen=True)
class GroupRows:
    """The rows of one group of shards, as a task sees them.

    Parameters
    ----------
    group : tuple of Shard
        The shards.
    reader : BlockReader
        Where their blocks come from.
    stopped : callable
        Asked before every block; True ends the work with `StoppedError`.
    report : callable
        Told the rows of every finished block and the task's metrics.
    following : tuple of Shard
        What the same worker is likely to read next.
    position : int
        Of the group among all of the work.
    expects : bool
        Whether later shards are fetched meanwhile; else whoever deals out the turns has them fetched.
    """

    group: Group
    reader: BlockReader
    stopped: Callable[[], bool]
    report: Report
    following: Group = ()
    position: int = 0
    expects: bool = True

    def through(
        self,
        k: int,
        state: State,
        step: Callable[[State, Any], State],
        metrics: Callable[[State], dict[str, float]] | None = None,
    ) -> State:
        """Return the state after the blocks of the `k`-th shard; later shards are fetched from the disk meanwhile."""
        if self.expects:
            ahead = shards_ahead(self.group)
            fetch(self.reader, (*self.group, *self.following)[k + ahead if k else 1 : k + ahead + 1])
        for block in self.reader.blocks(self.group[k]):
            if self.stopped():
                raise StoppedError
            state = step(state, block)
            self.report(block.n_rows, metrics(state) if metrics is not None else {})
            del block  # before the next is made: its memory is taken for that
        forget(self.reader, self.group[k])
        return state

    def through_all(
        self,
        state: State,
        step: Callable[[State, Any], State],
        metrics: Callable[[State], dict[str, float]] | None = None,
    ) -> State:
        """Return the state after the blocks of all shards, one after another."""
        for k in range(len(self.group)):
            state = self.through(k, state, step, metrics)
        return state


@dataclass(frozen=True)
class Work:
    """A task over groups of shards.

    Parameters
    ----------
    task : Task
        What is done.
    reader : BlockReader
        Where blocks come from.
    groups : tuple of tuple of Shard
        Each yields one result.
    following : tuple of Shard
        What is likely to be read after them, so that it is fetched from the disk in time.
    first : int
        Position of the first group among those of the whole work.
    """

    task: Task
    reader: BlockReader
    groups: tuple[Group, ...]
    following: Group = ()
    first: int = 0

    @property
    def n_rows(self) -> int:
        """Number of rows in all groups."""
        return sum(shard.n_rows for group in self.groups for shard in group)

    def partition(self, n: int) -> list[Work]:
        """Divide into at most `n` works of consecutive groups and about equally many rows."""
        sizes = [sum(shard.n_rows for shard in group) for group in self.groups]
        parts: dict[int, list[Group]] = {}
        firsts: dict[int, int] = {}
        total, before = max(1, sum(sizes)), 0
        for position, (group, size) in enumerate(zip(self.groups, sizes, strict=True)):
            # A group goes where its middle row falls; with a part for each, where its position says.
            part = position if n >= len(sizes) else min(n - 1, (2 * before + size) * n // (2 * total))
            parts.setdefault(part, []).append(group)
            firsts.setdefault(part, self.first + position)
            before += size
        return [replace(self, groups=tuple(groups), first=firsts[part]) for part, groups in parts.items()]

    def packed(self) -> Work:
        """Return the same work without what its shards do not need, to be sent elsewhere."""
        shards = [shard for group in self.groups for shard in group]
        return replace(self, reader=self.reader.only(shards))

    def run(self, stopped: Callable[[], bool], report: Report, results: Results) -> None:
        """Add the results of all groups to `results`; see `GroupRows` for the other parameters."""
        following = (*self.groups[1:], self.following)
        for position, (group, then) in enumerate(zip(self.groups, following, strict=False), self.first):
            rows = GroupRows(group, self.reader, stopped, report, then, position)
            results.add(Result(position, position + 1, self.task.run(rows)))


def shards_ahead(group: Sequence[Shard]) -> int:
    """Return how many shards of a group, read one after another, are fetched before they are wanted."""
    return max(1, AHEAD_ROWS // max(1, group[0].n_rows))
