"""Encoded rows held in memory, for data small enough that passes after the first should be free."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from scalable.data.block import Block
from scalable.data.planned import Source
from scalable.data.shard import Shard
from scalable.execution.reader import BlockReader


@dataclass(frozen=True)
class MemoryReader:
    """A reader whose blocks are already encoded; has the face of `BlockReader`.

    Parameters
    ----------
    source : Source
        Where the blocks came from.
    held : dict of int to Block
        The one block of each shard, by shard index.
    """

    source: Source
    held: dict[int, Block]

    def blocks(self, shard: Shard) -> Iterator[Block]:
        """Yield the block of a shard."""
        yield self.held[shard.index]


def encoded_bytes(reader: BlockReader) -> int:
    """Return the memory that all encoded rows of a reader would take."""
    encoder = reader.encoder
    width = 16 + 4 * getattr(encoder, "n_ids", 0)
    width += getattr(encoder, "n_columns", 0) * (8 if getattr(encoder, "dtype", "") == "float64" else 4)
    return reader.source.n_rows * width


def hold(reader: BlockReader, seed: int | None) -> MemoryReader:
    """Encode all shards once.

    Parameters
    ----------
    reader : BlockReader
        Of a source that fits in memory.
    seed : int or None
        Rows are dealt anew to the shards in a random order, so that sorted data does not mislead
        descent; None keeps their order.
    """
    shards = reader.source.shards
    whole = _joined([block for shard in shards for block in reader.blocks(shard)])
    order = np.arange(whole.n_rows) if seed is None else np.random.default_rng(seed).permutation(whole.n_rows)
    held: dict[int, Block] = {}
    start = 0
    for shard in shards:
        rows = order[start : start + shard.n_rows]
        columns: Any = np.ascontiguousarray(whole.columns[:, rows])
        held[shard.index] = Block(
            columns,
            np.ascontiguousarray(whole.ids[:, rows]),
            None if whole.label is None else whole.label[rows],
            None if whole.weight is None else whole.weight[rows],
            start,
        )
        start += shard.n_rows
    return MemoryReader(reader.source, held)


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
