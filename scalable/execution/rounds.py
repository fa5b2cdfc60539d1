"""The two kinds of round: a fold over all shards, and lanes that run shards one after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from scalable import progress
from scalable.data.shard import Shard
from scalable.execution.executors import Executor
from scalable.execution.fetching import fetch
from scalable.execution.fold import Fold, merge_tree, subtrees
from scalable.execution.reader import BlockReader
from scalable.execution.threads import Threads
from scalable.execution.work import Work, shards_ahead

Result = TypeVar("Result")
State = TypeVar("State")
TASKS_PER_WORKER = 4  # of uneven subtrees, so that workers finish close together


def run_fold(
    executor: Executor,
    fold: Fold[Any, Any, Result],
    reader: BlockReader,
    shards: Sequence[Shard] | None = None,
    label: str | None = None,
) -> Result:
    """Fold all shards and merge the states along a fixed binary tree over the shard index.

    Parameters
    ----------
    executor : Executor
        Who does the work; it cannot change the result.
    fold : Fold
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
        return fold.finish(fold.init())
    ranges = subtrees(len(chosen), TASKS_PER_WORKER * executor.n_workers)
    work = Work(fold, reader, tuple(chosen[low:high] for low, high in ranges))
    states = _run(executor, work, label)
    parts = [(low, high, state) for (low, high), state in zip(ranges, states, strict=True)]
    return fold.finish(merge_tree(fold, parts, len(chosen)))


def run_lanes(
    executor: Executor,
    fold: Fold[State, Any, Any],
    reader: BlockReader,
    start: State,
    lanes: Sequence[Sequence[Shard]],
    label: str | None = None,
    upcoming: Sequence[Sequence[Shard]] = (),
) -> list[State]:
    """Run every lane's shards one after another from `start`; return the lanes' states in order.

    ``fold.step`` must not change `start` itself: every lane begins with the same object. The beginnings of lanes
    that are `upcoming` are fetched from the disk meanwhile, where the executor works in this process.
    """
    work = Work(fold, reader, tuple(tuple(lane) for lane in lanes), start)
    if isinstance(executor, Threads):
        fetch(reader, [shard for lane in upcoming for shard in lane[: shards_ahead(lane)]])
    return _run(executor, work, label)


def _run(executor: Executor, work: Work, label: str | None) -> list[Any]:
    if label is None:
        return executor.run(work, lambda n_rows, metrics: None)
    with progress.task(label, work.n_rows) as shown:
        return executor.run(work, lambda n_rows, metrics: shown.advance(n_rows, **metrics))
