"""Replicas: a fixed number of models that learn side by side and merge in order at the end of a round.

For learning that goes row by row and so is no sum over rows: stochastic descent. The number of models is part of
the result, so neither the executor nor the number of workers can change a bit of it.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from typing import Any, Protocol, TypeVar

from scalable.data.shard import Shard
from scalable.execution.executors import Executor, run_shown
from scalable.execution.reader import BlockReader
from scalable.execution.threads import Threads
from scalable.execution.work import GroupRows, Work, finished, shards_ahead
from scalable.kernels.processors import available_processors

Block_contra = TypeVar("Block_contra", contravariant=True)
Model = TypeVar("Model")


class Replica(Protocol[Model, Block_contra]):
    """Immutable, picklable parameters with three functions of a model.

    A fourth, ``metrics(model) -> dict of str to float``, is for the progress display where there is one.
    """

    def begin(self, start: Model) -> Model:
        """Return a model of a replica's own, equal to `start`, which others begin from too."""

    def step(self, model: Model, block: Block_contra) -> Model:
        """Return the model after learning from a block; may change it in place."""

    def merge(self, start: Model, models: Sequence[Model], n_threads: int) -> Model:
        """Return what the models have learned together since they began from `start`, on so many threads at most.

        The models are given up.
        """


def run_round(
    executor: Executor,
    replica: Replica[Model, Any],
    reader: BlockReader,
    start: Model,
    subsets: Sequence[Sequence[Shard]],
    label: str | None = None,
    upcoming: Sequence[Sequence[Shard]] = (),
) -> Model:
    """Let a replica learn from each subset of shards, one shard after another, and merge their models.

    Parameters
    ----------
    executor : Executor
        Who does the work; it cannot change the result.
    replica : Replica
        How models learn and merge.
    reader : BlockReader
        Where the blocks come from.
    start : model
        What all of them begin from; unchanged.
    subsets : sequence of sequence of Shard
        The shards of each replica.
    label : str, optional
        Name of the work on the progress display; silent without.
    upcoming : sequence of sequence of Shard
        The subsets of the next round: their beginnings are fetched after those of this one, where the executor
        works in this process.
    """
    following: tuple[Shard, ...] = ()
    if isinstance(executor, Threads):
        firsts = zip_longest(*(subset[: shards_ahead(subset)] for subset in upcoming))
        following = tuple(shard for some in firsts for shard in some if shard is not None)
    work = Work(_Learning(replica, start), reader, tuple(tuple(subset) for subset in subsets), following)
    n_threads = executor.n_workers if isinstance(executor, Threads) else available_processors()
    return replica.merge(start, run_shown(executor, work, label), n_threads)


def partition_rounds(
    shards: Sequence[Shard], n_replicas: int, first_rows: int, most_rows: int, in_order: bool = False
) -> list[list[list[Shard]]]:
    """Partition shards into rounds of subsets: shard i of a round goes to replica i modulo `n_replicas`.

    With `in_order` to replica ``i * n_replicas // n`` of a round of `n`: shards that are cheaper to read one after
    another stay together.

    Replicas merge often while they still learn much that others do not know, and seldom later. What is left at the end,
    where it is less than half a round, belongs to the round before: a merge takes as long as learning from many rows,
    and the models of a short round know little that the merged one does not.

    Parameters
    ----------
    shards : sequence of Shard
        In the order of learning.
    n_replicas : int
        Subsets a round; empty ones are left out.
    first_rows, most_rows : int
        Rows of a replica in the first round, and what this doubles up to from round to round.
    """
    rounds: list[list[Shard]] = [[]]
    rows = 0
    for shard in shards:
        if rows >= first_rows * n_replicas:
            rounds.append([])
            first_rows, rows = max(first_rows, min(2 * first_rows, most_rows)), 0
        rounds[-1].append(shard)
        rows += shard.n_rows
    if len(rounds) > 1 and 2 * rows < first_rows * n_replicas:
        rest = rounds.pop()
        rounds[-1] += rest
    return [_dealt(some, n_replicas, in_order) for some in rounds if some]


def _dealt(shards: Sequence[Shard], n: int, in_order: bool) -> list[list[Shard]]:
    """Deal shards to `n` replicas; those that get none are left out."""
    if in_order:
        edges = [-(-len(shards) * r // n) for r in range(n + 1)]
        subsets = [list(shards[low:high]) for low, high in pairwise(edges)]
    else:
        subsets = [list(shards[r::n]) for r in range(n)]
    return [subset for subset in subsets if subset]


@dataclass(frozen=True)
class _Learning:
    """The model of one replica after its shards."""

    replica: Replica[Any, Any]
    start: Any

    def turns(self, rows: GroupRows) -> Generator[None, None, Any]:
        metrics = getattr(self.replica, "metrics", None)
        model = self.replica.begin(self.start)
        for k in range(len(rows.group)):
            model = rows.through(k, model, self.replica.step, metrics)
            yield
        return model

    def run(self, rows: GroupRows) -> Any:
        return finished(self.turns(rows))
