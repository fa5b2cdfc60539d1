"""Encoded rows held in memory, for data small enough that passes after the first should be free."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from scalable.data.block import BLOCK_ROWS, Block
from scalable.data.shard import Shard
from scalable.execution.reader import BlockReader

LEAST_ROWS = 32  # of a held shard; small ones let little data be held out and shared
MOST_SHARDS = 64


@dataclass(frozen=True)
class HeldRows:
    """The face of a source that rounds need: shards of rows that are already encoded."""

    shards: tuple[Shard, ...]
    n_rows: int
    sequential: bool = False

    @property
    def exact_rows(self) -> int:
        """Number of rows, all of which are read."""
        return self.n_rows

    def release(self) -> None:
        """Do nothing: no file is open."""


@dataclass(frozen=True)
class MemoryReader:
    """A reader whose blocks are already encoded; has the face of `BlockReader`.

    Parameters
    ----------
    source : HeldRows
        The shards of the held rows.
    held : Block
        All rows.
    """

    source: HeldRows
    held: Block

    def blocks(self, shard: Shard) -> Iterator[Block]:
        """Yield the blocks of a shard, copied to be contiguous."""
        for start in range(shard.row_start, shard.row_stop, BLOCK_ROWS):
            rows = slice(start, min(start + BLOCK_ROWS, shard.row_stop))
            yield _part(self.held, rows, start)

    def expect(self, shard: Shard) -> None:
        """Do nothing: all rows are here."""


def encoded_bytes(reader: BlockReader, n_rows: int) -> int:
    """Return the memory that so many encoded rows of a reader would take."""
    encoder = reader.encoder
    width = 16 + 4 * getattr(encoder, "n_ids", 0)
    width += getattr(encoder, "n_columns", 0) * (8 if getattr(encoder, "dtype", "") == "float64" else 4)
    return n_rows * width


def hold(reader: BlockReader, seed: int | None) -> MemoryReader:
    """Encode all rows once.

    Parameters
    ----------
    reader : BlockReader
        Of a source that fits in memory.
    seed : int or None
        Rows are put in a random order, so that sorted data does not mislead descent; None keeps it.
    """
    whole = _joined([block for shard in reader.source.shards for block in reader.blocks(shard)])
    n = whole.n_rows
    if seed is not None:
        whole = _part(whole, np.random.default_rng(seed).permutation(n))
    count = max(1, min(MOST_SHARDS, n // LEAST_ROWS))
    edges = [n * k // count for k in range(count + 1)]
    shards = tuple(Shard(k, 0, edges[k], edges[k + 1], edges[k]) for k in range(count))
    return MemoryReader(HeldRows(shards, n), whole)


def _part(block: Block, rows: Any, first_row: int = 0) -> Block:
    columns: Any = np.ascontiguousarray(block.columns[:, rows])
    return Block(
        columns,
        np.ascontiguousarray(block.ids[:, rows]),
        None if block.label is None else block.label[rows],
        None if block.weight is None else block.weight[rows],
        first_row,
    )


def _joined(blocks: list[Block]) -> Block:
    label = [block.label for block in blocks if block.label is not None]
    weight = [block.weight for block in blocks if block.weight is not None]
    return Block(
        np.concatenate([block.columns for block in blocks], axis=1),
        np.concatenate([block.ids for block in blocks], axis=1),
        np.concatenate(label) if label else None,
        np.concatenate(weight) if weight else None,
        0,
    )
