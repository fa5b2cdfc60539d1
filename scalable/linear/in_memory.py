"""Encoded rows held in memory, for data small enough that passes after the first should be free."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.data.block import BLOCK_ROWS, Block
from scalable.data.raw_block import LazyBlock
from scalable.data.shard import Shard
from scalable.execution.reader import BlockReader
from scalable.execution.sampling import joined_shards
from scalable.kernels.linear.rows import deal_rows, standardize_column, take_rows

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

    def expect(self, shard: Shard) -> bool:
        """Do nothing: all rows are here."""
        return True


def encoded_bytes(reader: BlockReader, n_rows: int) -> int:
    """Return the memory that so many encoded rows of a reader would take."""
    encoder = reader.encoder
    width = 16 + 4 * getattr(encoder, "n_ids", 0)
    width += getattr(encoder, "n_columns", 0) * (8 if getattr(encoder, "dtype", "") == "float64" else 4)
    return n_rows * width


def hold(reader: BlockReader, n_rows: int, seed: int | None, n_threads: int = 1) -> MemoryReader:
    """Encode all rows once, each straight to its place.

    Parameters
    ----------
    reader : BlockReader
        Of a source that fits in memory.
    n_rows : int
        How many there are.
    seed : int or None
        Rows are put in a random order, so that sorted data does not mislead descent; None keeps it.
    n_threads : int
        Threads that read and encode; the result does not depend on them.
    """
    order = np.arange(n_rows) if seed is None else np.random.default_rng(seed).permutation(n_rows)
    count = max(1, min(MOST_SHARDS, n_rows // LEAST_ROWS))
    ends = [n_rows * k // count for k in range(count + 1)]
    shards = tuple(Shard(k, 0, ends[k], ends[k + 1], ends[k]) for k in range(count))
    starts = [list(range(shard.row_start, shard.row_stop, BLOCK_ROWS)) for shard in shards]
    edges = np.array([*chain.from_iterable(starts), n_rows])
    encoder: Any = reader.encoder
    columns: Any = np.empty((encoder.n_columns, n_rows), encoder.dtype)
    ids = np.empty((encoder.n_ids, n_rows), np.int32)
    label = None if encoder.labels is None else np.empty(n_rows)
    weight = None if encoder.weight is None else np.empty(n_rows)
    waiting: list[
        tuple[int, LazyBlock]
    ] = []  # and their places: read column by column, straight to the new order

    def put(shard: Shard, at: int) -> int:
        for block in reader.blocks(shard):
            rows = slice(at, at + block.n_rows)
            if isinstance(block, LazyBlock) and block.raw.tiles is None:
                waiting.append((at, block))
            else:
                columns[:, rows], ids[:, rows] = block.columns, block.ids
            if label is not None:
                label[rows] = block.label
            if weight is not None:
                weight[rows] = block.weight
            at = rows.stop
        return at

    with ThreadPoolExecutor(n_threads, thread_name_prefix="hold") as pool:
        if (
            reader.source.exact_rows is None
        ):  # where a shard's rows begin is known when those before it are read
            at = 0
            for shard in reader.source.shards:
                at = put(shard, at)
        else:
            pieces = joined_shards(reader.source.shards)
            before = np.cumsum([0, *(piece.n_rows for piece in pieces)]).tolist()
            list(pool.map(put, pieces, before))

        places = order.astype(np.uint32)

        def dealt(values: NDArray[Any]) -> NDArray[Any]:
            k, out = len(values), np.empty(values.size, values.dtype)
            list(pool.map(lambda j: deal_rows(values[j], places, edges, k, j, out), range(k)))
            return out

        flat_ids = dealt(ids)
        flat = np.empty(columns.size, columns.dtype)
        largest = max((block.n_rows for _, block in waiting), default=0)

        def dealt_column(j: int) -> bool:
            column, stored = np.empty(n_rows, np.float32), np.empty(largest, np.float32)
            for at, block in waiting:
                if not standardize_column(block.raw.columns, j, stored, column[at : at + block.n_rows]):
                    return False
            deal_rows(column, places, edges, len(columns), j, flat)
            return True

        if sum(block.n_rows for _, block in waiting) < n_rows or not all(
            list(pool.map(dealt_column, range(len(columns))))
        ):
            for at, block in waiting:  # the encoder treats, or refuses, what is missing
                columns[:, at : at + block.n_rows] = block.columns
            flat = dealt(columns)
    label, weight = (None if part is None else part[order] for part in (label, weight))
    d, h = len(columns), len(ids)
    blocks = {
        start: Block(
            flat[d * start : d * stop].reshape(d, stop - start),
            flat_ids[h * start : h * stop].reshape(h, stop - start),
            None if label is None else label[start:stop],
            None if weight is None else weight[start:stop],
            start,
        )
        for start, stop in pairwise(edges.tolist())
    }
    held = tuple(tuple(blocks[start] for start in of_shard) for of_shard in starts)
    return MemoryReader(PlannedRows(shards, n_rows), held)


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
