"""A sample of rows that is stratified by position.

The dataset's rows, in order, are cut into as many equal stretches as rows are wanted and one row is drawn from each.
The sample depends on the rows and the seed alone, never on shards or workers, is computable for any range of rows,
and covers sorted data evenly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scalable.data.block import RawBlock
from scalable.data.source import Source
from scalable.execution.executors import Executor
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import run_reduction


@dataclass(frozen=True, slots=True)
class Positions:
    """Where a source's rows stand: shards of a split source leave gaps in the dataset's row indices.

    Attributes
    ----------
    first_rows, offsets : tuple of int
        Per shard, the index of its first row in the dataset and the count of the source's rows before it.
    """

    first_rows: tuple[int, ...]
    offsets: tuple[int, ...]

    @classmethod
    def of(cls, source: Source) -> Positions:
        """Return the positions of a source's shards."""
        offsets = np.cumsum([0, *(shard.n_rows for shard in source.shards)])
        return cls(tuple(s.first_row for s in source.shards), tuple(int(o) for o in offsets[:-1]))

    def of_row(self, first_row: int) -> int:
        """Return the position of the row at `first_row` of the dataset."""
        shard = int(np.searchsorted(self.first_rows, first_row, side="right")) - 1
        return self.offsets[shard] + first_row - self.first_rows[shard]


def sampled_positions(start: int, stop: int, n_rows: int, n_sample: int, seed: int) -> NDArray[np.int64]:
    """Return the sampled positions within ``[start, stop)``, ascending.

    Parameters
    ----------
    start, stop : int
        Range of positions.
    n_rows, n_sample : int
        Rows in all and rows wanted in all; every row is taken when no more are there; none when none is wanted.
    seed : int
        Seed of the draws.
    """
    if n_sample == 0:
        return np.empty(0, np.int64)
    if n_sample >= n_rows:
        return np.arange(start, stop, dtype=np.int64)
    low = start * n_sample // n_rows
    high = min(n_sample, stop * n_sample // n_rows + 2)
    stretch = np.arange(low, high, dtype=np.int64)
    begins = stretch * n_rows // n_sample
    ends = (stretch + 1) * n_rows // n_sample
    drawn = begins + _draws(stretch, seed) % np.maximum(ends - begins, 1)
    return np.asarray(drawn[(drawn >= start) & (drawn < stop)])


def sampled_blocks(
    source: Source,
    columns: tuple[str, ...],
    n_sample: int,
    executor: Executor,
    *,
    seed: int = 0,
    label: str | None = None,
) -> tuple[RawBlock, ...]:
    """Return blocks of about `n_sample` rows from all over a source, of all its rows where there are no more.

    Where a selection picks among the rows, the first pass tells how many it picks: where few, there is a second one.

    Parameters
    ----------
    source : Source
        Whose rows are sampled.
    columns : tuple of str
        Columns kept.
    n_sample, seed : int
        See `sampled_positions`.
    executor : Executor
        Who reads.
    label : str
        See `run_reduction`.
    """
    positions, reader = Positions.of(source), BlockReader(source, columns=columns)
    wanted = min(n_sample, source.n_rows)
    while True:
        reduction = SampleReduction(positions, source.n_rows, wanted, seed, columns)
        found: tuple[RawBlock, ...] = run_reduction(executor, reduction, reader, label=label)
        n_found = sum(block.n_rows for block in found)
        if source.exact_rows is not None or 2 * n_found >= n_sample or wanted == source.n_rows:
            return found
        wanted = min(source.n_rows, wanted * n_sample // n_found if n_found else source.n_rows)


def _draws(index: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """SplitMix64 (Steele, Lea and Flood, 2014) of a counter, as non-negative int64."""
    start = np.uint64((seed * 0x632BE59BD9B4E019) % 2**64)
    z = (index.astype(np.uint64) + start) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(1)).astype(np.int64)


@dataclass(frozen=True, slots=True)
class SampleReduction:
    """Reduction from raw blocks to blocks of the sampled rows, in dataset order.

    Parameters
    ----------
    positions : Positions
        Of the source.
    n_rows, n_sample, seed : int
        See `sampled_positions`.
    columns : tuple of str
        Columns kept.
    """

    positions: Positions
    n_rows: int
    n_sample: int
    seed: int
    columns: tuple[str, ...]

    def init(self) -> list[RawBlock]:
        """Return the sample of no rows."""
        return []

    def step(self, state: list[RawBlock], block: RawBlock) -> list[RawBlock]:
        """Add the sampled rows of a block."""
        start = self.positions.of_row(block.first_row)
        at = sampled_positions(start, start + block.n_rows, self.n_rows, self.n_sample, self.seed) - start
        if not len(at):
            return state
        taken = {name: _take(block.arrays[name], at) for name in self.columns}
        origin = None if block.origin is None else block.origin.taken(at)
        return [*state, RawBlock(taken, block.first_row, len(at), origin)]

    def merge(self, left: list[RawBlock], right: list[RawBlock]) -> list[RawBlock]:
        """Return the samples of both."""
        return left + right

    def finish(self, state: list[RawBlock]) -> tuple[RawBlock, ...]:
        """Return the sample."""
        return tuple(state)


def _take(array: pa.Array, at: NDArray[np.int64]) -> pa.Array:
    taken = array if len(at) == len(array) else array.take(pa.array(at))
    if not pa.types.is_dictionary(taken.type):
        return taken
    # Only the sampled categories travel, not the dictionary of the whole block.
    return taken.dictionary_decode().dictionary_encode()
