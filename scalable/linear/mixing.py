"""Rows that follow the target, mixed on the way: what descent reads where they are too many to be held and shuffled.

The shards are cut into slices, and a mix joins one slice of every stretch of the data, in a random order of rows. So
every mix, and every batch of it, shows descent the whole range of the target, for the memory of a few blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scalable.data.block import BLOCK_ROWS, Block
from scalable.data.shard import Shard
from scalable.execution.sampling import cut, deal
from scalable.linear.in_memory import PlannedRows, encoded_bytes, joined, taken

MIX_BYTES = 2**26  # of encoded rows; every thread holds one mix, twice while it is put in order
LEAST_MIXES = 8  # one a replica
SLICES = (
    16  # of a mix at least: its mean target is then within about a tenth of a deviation of that of all rows
)


@dataclass(frozen=True)
class MixedReader:
    """A reader of mixes of another reader's rows; has the face of `BlockReader`.

    Parameters
    ----------
    reader : BlockReader or CachedReader
        Of the rows as they are stored.
    source : PlannedRows
        A shard a mix.
    mixes : tuple of tuple of Shard
        The slices of each mix.
    seed : int
        Of the order of the rows of a mix.
    """

    reader: Any
    source: PlannedRows
    mixes: tuple[tuple[Shard, ...], ...]
    seed: int

    def only(self, shards: Sequence[Shard]) -> MixedReader:
        """Return the reader without what `shards` do not need, to be sent elsewhere."""
        slices = [piece for shard in shards for piece in self.mixes[shard.index]]
        return replace(
            self,
            reader=self.reader.only(slices),
            source=replace(self.source, shards=(), behind=self.source.behind.only(slices)),
        )

    def blocks(self, shard: Shard) -> Iterator[Block]:
        """Yield the blocks of a mix."""
        parts = []
        for piece in self.mixes[shard.index]:
            for block in self.reader.blocks(piece):
                _ = block.columns  # lazy ones are read here, in the order of the files
                parts.append(block)
        if not parts:  # a selection may leave nothing
            return
        whole = joined(parts)
        del parts, block
        order = np.random.default_rng([self.seed, shard.index]).permutation(whole.n_rows)
        for start in range(0, whole.n_rows, BLOCK_ROWS):
            yield taken(whole, order[start : start + BLOCK_ROWS], shard.first_row + start)

    def expect(self, shard: Shard) -> bool:
        """Have the slices of a mix fetched from the disk; return whether they are at hand."""
        away = [piece for piece in self.mixes[shard.index] if not self.reader.expect(piece)]
        return not away


def mixed(reader: Any, seed: int, least: int = LEAST_MIXES) -> MixedReader:
    """Plan mixes over all rows of a reader; they depend on its shards and the seed alone.

    Parameters
    ----------
    reader : BlockReader or CachedReader
        Of the rows as they are stored.
    seed : int
        Of what goes together.
    least : int
        Mixes at least.
    """
    source = reader.source
    n_rows = source.n_rows
    count = max(least, -(-encoded_bytes(reader, n_rows) // MIX_BYTES))
    pieces = -(-SLICES * count // len(source.shards))
    slices = [piece for shard in source.shards for piece in cut(shard, pieces)]
    mixes = deal(slices, count, np.random.default_rng(seed))
    sizes = [sum(piece.n_rows for piece in mix) for mix in mixes]
    edges = np.cumsum([0, *sizes]).tolist()
    shards = tuple(Shard(k, 0, 0, size, edges[k]) for k, size in enumerate(sizes) if size)
    exact = None if source.exact_rows is None else n_rows
    return MixedReader(reader, PlannedRows(shards, exact, source), tuple(map(tuple, mixes)), seed)
