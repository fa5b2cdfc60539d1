"""The reduction: how everything that learns from data in one pass is written.

This is the summation form of Chu et al., "Map-Reduce for Machine Learning on Multicore" (2006):
a state is built from the rows of a shard and states merge along a fixed tree over the shard
index, so neither the executor nor the number of workers can change a bit of the result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Protocol, TypeVar

from scalable.data.shard import Shard
from scalable.execution.executors import Executor, run_shown
from scalable.execution.merge_tree import half, merge_tree, subtrees
from scalable.execution.reader import BlockReader
from scalable.execution.work import GroupRows, Work

Block_contra = TypeVar("Block_contra", contravariant=True)
Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)
State = TypeVar("State")
TASKS_PER_WORKER = 4  # of uneven subtrees, so that workers finish close together
FEW_LEAVES = 64  # for states of megabytes


class Reduction(Protocol[State, Block_contra, Result_co]):
    """Immutable, picklable parameters with four functions of a state.

    A fifth, ``metrics(state) -> dict of str to float``, is for the progress display where there is one.
    """

    def init(self) -> State:
        """Return the state of no rows."""

    def step(self, state: State, block: Block_contra) -> State:
        """Return the state after one more block; may update `state` in place."""

    def merge(self, left: State, right: State) -> State:
        """Return the state of the rows of both; `left` holds the earlier rows."""

    def finish(self, state: State) -> Result_co:
        """Return the result."""


def run_reduction(
    executor: Executor,
    reduction: Reduction[Any, Any, Result],
    reader: BlockReader,
    shards: Sequence[Shard] | None = None,
    label: str | None = None,
    most_states: int | None = None,
    leaves: int | None = None,
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
    most_states : int, optional
        Where states are large and blocks quick: at most so many states, each of the rows of consecutive shards,
        merged in order. The result depends on their number where sums round.
    leaves : int, optional
        Where states are large: the tree has at most so many leaves, each the rows of consecutive shards, so that the
        states that wait to be merged do not grow with the rows, and no more workers are of use. As above of rounding.
    """
    chosen = tuple(reader.source.shards if shards is None else shards)
    n = len(chosen)
    if not n:
        return reduction.finish(reduction.init())
    count = min(n, most_states or leaves or n)
    bounds = [n * k // count for k in range(count + 1)]
    if most_states is not None:
        ranges = [(k, k + 1) for k in range(count)]
    else:
        ranges = subtrees(count, TASKS_PER_WORKER * executor.n_workers)
    groups = tuple(chosen[bounds[low] : bounds[high]] for low, high in ranges)
    cuts = {
        group[0].index: tuple(bound - bounds[low] for bound in bounds[low : high + 1])
        for group, (low, high) in zip(groups, ranges, strict=True)
    }
    states = run_shown(executor, Work(_Reducing(reduction, cuts), reader, groups), label)
    if most_states is not None:
        return reduction.finish(reduce(reduction.merge, states))
    parts = [(low, high, state) for (low, high), state in zip(ranges, states, strict=True)]
    return reduction.finish(merge_tree(reduction.merge, parts, count))


@dataclass(frozen=True)
class _Reducing:
    """The state of a group of shards, a subtree of the merge tree.

    Attributes
    ----------
    reduction : Reduction
        What is computed.
    cuts : mapping of int to tuple of int
        Of each group, by its first shard's index, where the shards of each leaf begin, and where the last ones end.
    """

    reduction: Reduction[Any, Any, Any]
    cuts: Mapping[int, tuple[int, ...]]

    def run(self, rows: GroupRows) -> Any:
        step, metrics = self.reduction.step, getattr(self.reduction, "metrics", None)
        cuts = self.cuts[rows.group[0].index]

        def node(low: int, high: int) -> Any:
            if high - low == 1:
                state = self.reduction.init()
                for k in range(cuts[low], cuts[high]):
                    state = rows.through(k, state, step, metrics)
                return state
            middle = low + half(high - low)
            left = node(low, middle)
            return self.reduction.merge(left, node(middle, high))

        return node(0, len(cuts) - 1)
