"""The map: a function of shards with a beginning and an end, for what is written or looked at rather than learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from scalable.data.shard import Shard
from scalable.execution.executors import Executor, run_shown
from scalable.execution.reader import BlockReader, in_passing
from scalable.execution.work import GroupRows, Work

Block_contra = TypeVar("Block_contra", contravariant=True)
Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)
State = TypeVar("State")


class ShardFunction(Protocol[State, Block_contra, Result_co]):
    """Immutable, picklable parameters with the parts of a function of consecutive shards, usually of one.

    On Dask a function may run once more on the same shards, when a worker was lost: it must leave the same then.
    """

    def begin(self, shards: Sequence[Shard]) -> State:
        """Return the state before the first row."""

    def block(self, state: State, block: Block_contra) -> State:
        """Return the state after one more block, of the selected rows only: it must be changed in place."""

    def end(self, state: State) -> Result_co:
        """Return the result after the last row."""

    def abandon(self, state: State, error: BaseException) -> None:
        """Give up what `begin` opened: something after it failed, or the rows are no longer wanted."""


def map_shards(
    executor: Executor,
    function: ShardFunction[Any, Any, Result],
    reader: BlockReader,
    groups: Sequence[Sequence[Shard]] | None = None,
    label: str | None = None,
) -> list[Result]:
    """Return the results of a function of each shard, in their order; the first failure stops the rest.

    Parameters
    ----------
    executor : Executor
        Who does the work.
    function : ShardFunction
        What is done.
    reader : BlockReader
        Where the blocks come from.
    groups : sequence of sequence of Shard, optional
        Shards that one call takes together; by default each of the reader's source alone.
    label : str, optional
        Name of the work on the progress display; silent without.
    """
    chosen = [(shard,) for shard in reader.source.shards] if groups is None else groups
    if not chosen:
        return []
    used = in_passing(reader, [shard for group in chosen for shard in group])
    return run_shown(executor, Work(_Mapping(function), used, tuple(tuple(g) for g in chosen)), label)


def group_shards(shards: Sequence[Shard], n_rows: int) -> list[tuple[Shard, ...]]:
    """Return runs of consecutive shards, each of the fewest that hold `n_rows`; the last may hold less."""
    groups: list[list[Shard]] = []
    room = 0
    for shard in shards:
        if room <= 0:
            groups.append([])
            room = n_rows
        groups[-1].append(shard)
        room -= shard.n_rows
    return [tuple(group) for group in groups]


@dataclass(frozen=True)
class _Mapping:
    """The result of one group."""

    function: ShardFunction[Any, Any, Any]

    @property
    def waits(self) -> bool:
        """Whether a thread is idle while the function's files go to the disk; see `Threads`."""
        return getattr(self.function, "waits", False)

    def run(self, rows: GroupRows) -> Any:
        state = self.function.begin(rows.group)
        try:
            return self.function.end(rows.through_all(state, self.function.block))
        except BaseException as error:
            self.function.abandon(state, error)
            raise
