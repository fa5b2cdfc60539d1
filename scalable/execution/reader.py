"""From shards to blocks: decoding and encoding, on the consumer's own thread or ahead of it."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar, cast

import pyarrow as pa

from scalable.data.block import BLOCK_ROWS, RawBlock
from scalable.data.readers.stored import StoredColumns
from scalable.data.readers.tiles import TileReader
from scalable.data.shard import Shard
from scalable.data.source import Source
from scalable.storage.spare import spare_memory

T = TypeVar("T")
BLOCK_BYTES = 2**25
LEAST_ROWS = 2**9
LEAST_PASSING = 2**28  # bytes: fewer are kept without asking how much memory there is


class Encoder(Protocol):
    """What turns raw blocks into the blocks of a learner."""

    @property
    def needed(self) -> Sequence[str]:
        """Names of the feature columns it reads."""

    def encode(self, raw: RawBlock) -> Any:
        """Return the encoded block."""


class StoredEncoder(Encoder, Protocol):
    """An encoder whose kernels may read float32 columns where they lie in the file."""

    @property
    def stored(self) -> Sequence[str]:
        """Names of its columns, where all are float32 and kernels may read them in their file; else none."""

    def encode_stored(self, raw: RawBlock, stored: StoredColumns | TileReader, row: int) -> Any:
        """Return a block of roles from `raw` and of features from row `row` of `stored`."""


@dataclass(frozen=True)
class BlockReader:
    """Decodes, encodes and prefetches the blocks of a shard; picklable.

    Parameters
    ----------
    source : Source
        Where the rows are.
    encoder : Encoder, optional
        Applied to every raw block.
    columns : tuple of str, optional
        Columns to decode; by default the encoder's, or all that the source needs.
    depth : int
        Blocks decoded ahead of the consumer; 0 decodes on the consumer's own thread, which is faster
        where every processor has a worker: decoding in one overlaps with learning in another.
    block_rows : int
        Most rows a block; fewer where columns are so many that a block would exceed ``BLOCK_BYTES``.
    stored_rows : int
        The same of blocks whose features stay in their file.
    passing : bool
        Whether what is fetched is forgotten when it was read; see `in_passing`.
    """

    source: Source
    encoder: Encoder | None = None
    columns: tuple[str, ...] | None = None
    depth: int = 0
    block_rows: int = BLOCK_ROWS
    stored_rows: int = BLOCK_ROWS
    passing: bool = False

    def only(self, shards: Sequence[Shard]) -> BlockReader:
        """Return the reader without what `shards` do not need, to be sent elsewhere."""
        return replace(self, source=self.source.only(shards))

    def blocks(self, shard: Shard) -> Iterator[Any]:
        """Yield the blocks of a shard in row order."""
        stored = self._stored(shard)
        if stored is not None:
            return stored
        raw = self.source.raw_blocks(shard, self._names(), self._decoded_rows)
        encoded = raw if self.encoder is None else map(self.encoder.encode, raw)
        return ahead(encoded, self.depth) if self.depth else encoded

    def _stored(self, shard: Shard) -> Iterator[Any] | None:
        """Return blocks of a shard whose features are in their file, when the learner can take them from there."""
        if self.columns is not None or self.depth or self.source.target is None:
            return None
        names: Sequence[str] = getattr(self.encoder, "stored", ())
        found = self.source.stored(shard, names) if names else None
        return None if found is None else self._beside(cast("StoredEncoder", self.encoder), shard, found)

    def _beside(
        self, encoder: StoredEncoder, shard: Shard, stored: StoredColumns | TileReader
    ) -> Iterator[Any]:
        """Yield blocks of target and weight with the features in their file."""
        for raw in self.source.raw_blocks(shard, self.source.roles.learned_from, self._stored_rows):
            yield encoder.encode_stored(raw, stored, shard.row_start + raw.first_row - shard.first_row)

    def expect(self, shard: Shard) -> bool:
        """Have a shard fetched from the disk while another is worked on; see `Source.expect`."""
        return self.source.expect(shard, self._names())

    def forget(self, shard: Shard) -> None:
        """Have no memory kept for a shard; see `Source.forget`."""
        self.source.forget(shard, self._names())

    @functools.cached_property
    def _decoded_rows(self) -> int:
        names = self._names()
        return self._rows(self.source.needed if names is None else names, self.block_rows)

    @functools.cached_property
    def _stored_rows(self) -> int:
        return self._rows([*self.source.feature_names, *self.source.roles.learned_from], self.stored_rows)

    def _rows(self, names: Sequence[str], most: int) -> int:
        """Return the rows a block: a power of two below `most` when it would take too much memory."""
        width = sum(_width(self.source.field_type(name)) for name in names)
        fitting = max(LEAST_ROWS, BLOCK_BYTES // max(1, width))
        return int(min(most, 1 << fitting.bit_length() - 1))

    def _names(self) -> list[str] | None:
        if self.columns is not None or self.encoder is None:
            return None if self.columns is None else list(self.columns)
        return list(dict.fromkeys([*self.encoder.needed, *self.source.roles.learned_from]))


def in_passing(reader: Any, shards: Sequence[Shard]) -> Any:
    """Return a reader for a pass over shards: where memory cannot keep them until the next, nothing is kept.

    The system would have to find other memory for each page of them, which takes longer than to read it.
    """
    if not isinstance(reader, BlockReader):
        return reader
    exceeds, names = reader.source.exceeds, reader._names()
    passing = exceeds(LEAST_PASSING, shards, names) and exceeds(spare_memory(), shards, names)
    return replace(reader, passing=True) if passing else reader


def _width(kind: pa.DataType) -> int:
    """Return the decoded bytes of a value; of text, those of its place in the dictionary."""
    try:
        return max(1, int(kind.bit_width) // 8)
    except ValueError:
        return 4


def ahead(items: Iterator[T], depth: int) -> Iterator[T]:
    """Yield `items` computed up to `depth` ahead on one background thread."""
    end = object()
    with ThreadPoolExecutor(1, thread_name_prefix="decode") as pool:
        pending: deque[Future[Any]] = deque(pool.submit(next, items, end) for _ in range(depth))
        try:
            while True:
                item = pending.popleft().result()
                if item is end:
                    return
                pending.append(pool.submit(next, items, end))
                yield item
        finally:
            for future in pending:
                future.cancel()
