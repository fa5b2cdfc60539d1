"""The reduction: how everything that learns from data in one pass is written.

This is the summation form of Chu et al., "Map-Reduce for Machine Learning on Multicore" (2006):
a state is built from the rows of a shard and states merge along a fixed tree over the shard
index, so neither the executor nor the number of workers can change a bit of the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol, TypeVar

from scalable.data.shard import Shard
from scalable.execution.executors import Executor, run_shown
from scalable.execution.merge_tree import BinaryTree, FoldedRuns, half, subtrees
from scalable.execution.reader import BlockReader, in_passing
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
    """Reduce all shards and merge the states along a fixed tree over the shard index, each as soon as it can be.

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
        Where states are large: at most so many, each of the rows of consecutive shards, merged in order in runs of
        some and then run by run: few wait to be merged, and no more workers are of use. As above of rounding.
    """
    chosen = tuple(reader.source.shards if shards is None else shards)
    n = len(chosen)
    if not n:
        return reduction.finish(reduction.init())
    count = min(n, most_states or leaves or n)
    bounds = [n * k // count for k in range(count + 1)]
    tree: BinaryTree | FoldedRuns
    edges: Sequence[int]
    if most_states is not None:
        tree, edges = FoldedRuns(count, 1), range(count + 1)
    elif leaves is not None:
        tree, edges = FoldedRuns(count), range(count + 1)
    else:
        ranges = subtrees(count, TASKS_PER_WORKER * executor.n_workers)
        tree, edges = BinaryTree(count), [0, *(high for _, high in ranges)]
    groups = tuple(chosen[bounds[low] : bounds[high]] for low, high in pairwise(edges))
    task = _Reducing(reduction, tree, tuple(edges), tuple(bounds))
    (state,) = run_shown(executor, Work(task, in_passing(reader, chosen), groups), label)
    return reduction.finish(state)


@dataclass(frozen=True)
class _Reducing:
    """The state of a group of shards, a node of the merge tree.

    Attributes
    ----------
    reduction : Reduction
        What is computed.
    tree : BinaryTree or FoldedRuns
        Along which states merge.
    edges : tuple of int
        Where the leaves of each group begin, and where the last ones end.
    bounds : tuple of int
        Where the shards of each leaf begin, and where the last ones end.
    """

    reduction: Reduction[Any, Any, Any]
    tree: BinaryTree | FoldedRuns
    edges: tuple[int, ...]
    bounds: tuple[int, ...]

    def run(self, rows: GroupRows) -> Any:
        step, metrics = self.reduction.step, getattr(self.reduction, "metrics", None)
        first, stop = self.edges[rows.position : rows.position + 2]
        offset = self.bounds[first]

        def node(low: int, high: int) -> Any:
            if high - low == 1:
                state = self.reduction.init()
                for k in range(self.bounds[low] - offset, self.bounds[high] - offset):
                    state = rows.through(k, state, step, metrics)
                return state
            middle = low + half(high - low)
            left = node(low, middle)
            return self.reduction.merge(left, node(middle, high))

        return node(first, stop)

    def merges(self, first: int, middle: int, stop: int) -> bool:
        return self.tree.merges(self.edges[first], self.edges[middle], self.edges[stop])

    def merge(self, left: Any, right: Any) -> Any:
        return self.reduction.merge(left, right)
