"""The two kinds of round: a reduction over all shards, and replicas that run shards one after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from scalable import progress
from scalable.data.shard import Shard
from scalable.execution.executors import Executor
from scalable.execution.fetching import fetch
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import Reduction, merge_tree, subtrees
from scalable.execution.threads import Threads
from scalable.execution.work import Work, shards_ahead

Result = TypeVar("Result")
State = TypeVar("State")
TASKS_PER_WORKER = 4  # of uneven subtrees, so that workers finish close together


def run_reduction(
    executor: Executor,
    reduction: Reduction[Any, Any, Result],
    reader: BlockReader,
    shards: Sequence[Shard] | None = None,
    label: str | None = None,
) -> Result:
    """Reduce all shards and merge the states along a fixed binary tree over the shard index.

    Parameters
    ----------
    executor : Executor
        Who does the work; it cannot change the result.
    reduction : Reduction
        What is computed.
    reader : BlockReader
        Where the blocks come from.
    shards : sequence of Shard, optional
        By default all shards of the reader's source.
    label : str, optional
        Name of the work on the progress display; silent without.
    """
    chosen = tuple(reader.source.shards if shards is None else shards)
    if not chosen:
        return reduction.finish(reduction.init())
    ranges = subtrees(len(chosen), TASKS_PER_WORKER * executor.n_workers)
    work = Work(reduction, reader, tuple(chosen[low:high] for low, high in ranges))
    states = _run(executor, work, label)
    parts = [(low, high, state) for (low, high), state in zip(ranges, states, strict=True)]
    return reduction.finish(merge_tree(reduction, parts, len(chosen)))


def run_replicas(
    executor: Executor,
    reduction: Reduction[State, Any, Any],
    reader: BlockReader,
    start: State,
    replicas: Sequence[Sequence[Shard]],
    label: str | None = None,
    upcoming: Sequence[Sequence[Shard]] = (),
) -> list[State]:
    """Run every replica's shards one after another from `start`; return the replicas' states in order.

    ``reduction.step`` must not change `start` itself: every replica begins with the same object. The beginnings
    of replicas that are `upcoming` are fetched from the disk meanwhile, where the executor works in this process.
    """
    work = Work(reduction, reader, tuple(tuple(replica) for replica in replicas), start)
    if isinstance(executor, Threads):
        fetch(reader, [shard for replica in upcoming for shard in replica[: shards_ahead(replica)]])
    return _run(executor, work, label)


def _run(executor: Executor, work: Work, label: str | None) -> list[Any]:
    if label is None:
        return executor.run(work, lambda n_rows, metrics: None)
    with progress.task(label, work.n_rows) as shown:
        return executor.run(work, lambda n_rows, metrics: shown.advance(n_rows, **metrics))
