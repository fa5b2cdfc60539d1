"""Encoded rows held in memory, for data small enough that passes after the first should be free."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.data.block import BLOCK_ROWS, Block
from scalable.data.shard import Shard
from scalable.execution.reader import BlockReader
from scalable.kernels.linear.rows import take_rows

LEAST_ROWS = 32  # of a held shard; small ones let little data be held out and shared
MOST_SHARDS = 64


@dataclass(frozen=True)
class PlannedRows:
    """The face of a source that rounds need: shards of rows that are encoded, or come from elsewhere.

    Parameters
    ----------
    shards : tuple of Shard
        The plan.
    exact_rows : int or None
        Number of rows, where it is known.
    behind : Source or None
        What is read, if anything.
    """

    shards: tuple[Shard, ...]
    exact_rows: int | None
    behind: Any = None
    sequential = False

    @property
    def n_rows(self) -> int:
        """Number of rows in the shards."""
        return sum(shard.n_rows for shard in self.shards)

    @property
    def in_memory(self) -> bool:
        """Whether the rows are held by this process."""
        return self.behind is None or bool(self.behind.in_memory)

    def release(self) -> None:
        """Close what is kept open."""
        if self.behind is not None:
            self.behind.release()


@dataclass(frozen=True)
class MemoryReader:
    """A reader whose blocks are already encoded; has the face of `BlockReader`.

    Parameters
    ----------
    source : PlannedRows
        The shards of the held rows.
    held : tuple of tuple of Block
        The blocks of each shard, by its index.
    """

    source: PlannedRows
    held: tuple[tuple[Block, ...], ...]

    def blocks(self, shard: Shard) -> Iterator[Block]:
        """Yield the blocks of a shard; they are not to be written to."""
        return iter(self.held[shard.index])

    def expect(self, shard: Shard) -> None:
        """Do nothing: all rows are here."""


def encoded_bytes(reader: BlockReader, n_rows: int) -> int:
    """Return the memory that so many encoded rows of a reader would take."""
    encoder = reader.encoder
    width = 16 + 4 * getattr(encoder, "n_ids", 0)
    width += getattr(encoder, "n_columns", 0) * (8 if getattr(encoder, "dtype", "") == "float64" else 4)
    return n_rows * width


def hold(reader: BlockReader, seed: int | None, n_threads: int = 1) -> MemoryReader:
    """Encode all rows once.

    Parameters
    ----------
    reader : BlockReader
        Of a source that fits in memory.
    seed : int or None
        Rows are put in a random order, so that sorted data does not mislead descent; None keeps it.
    n_threads : int
        Threads that read, encode and put in order; the result does not depend on them.
    """

    def encoded(shard: Shard) -> list[Block]:
        found = list(reader.blocks(shard))
        for block in found:
            _ = block.columns  # lazy ones are encoded here, on this thread
        return found

    with ThreadPoolExecutor(n_threads, thread_name_prefix="hold") as pool:
        parts = [block for found in pool.map(encoded, reader.source.shards) for block in found]
        whole = joined(parts)
        del parts
        n = whole.n_rows
        order = None if seed is None else np.random.default_rng(seed).permutation(n)
        count = max(1, min(MOST_SHARDS, n // LEAST_ROWS))
        edges = [n * k // count for k in range(count + 1)]
        shards = tuple(Shard(k, 0, edges[k], edges[k + 1], edges[k]) for k in range(count))

        def blocks(shard: Shard) -> tuple[Block, ...]:
            starts = range(shard.row_start, shard.row_stop, BLOCK_ROWS)
            stops = [min(start + BLOCK_ROWS, shard.row_stop) for start in starts]
            rows = [
                np.arange(a, b) if order is None else order[a:b] for a, b in zip(starts, stops, strict=True)
            ]
            return tuple(taken(whole, at, start) for at, start in zip(rows, starts, strict=True))

        return MemoryReader(PlannedRows(shards, n), tuple(pool.map(blocks, shards)))


def taken(block: Block, rows: NDArray[np.int64], first_row: int = 0) -> Block:
    """Return some rows of a block, in the order given."""
    columns: Any = np.empty((len(block.columns), len(rows)), block.columns.dtype)
    ids = np.empty((len(block.ids), len(rows)), block.ids.dtype)
    take_rows(block.columns, rows, columns)
    take_rows(block.ids, rows, ids)
    label = None if block.label is None else block.label[rows]
    weight = None if block.weight is None else block.weight[rows]
    return Block(columns, ids, label, weight, first_row)


def joined(blocks: Sequence[Block]) -> Block:
    """Return blocks one behind the other."""
    label = [block.label for block in blocks if block.label is not None]
    weight = [block.weight for block in blocks if block.weight is not None]
    return Block(
        np.concatenate([block.columns for block in blocks], axis=1),
        np.concatenate([block.ids for block in blocks], axis=1),
        np.concatenate(label) if label else None,
        np.concatenate(weight) if weight else None,
        0,
    )
