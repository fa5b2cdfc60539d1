"""Encoded rows on disk: what passes after the first read in place of Parquet.

A file a shard holds its blocks as the kernels take them, one behind the other, and is mapped into
memory: nothing is decoded or copied. It is written while the first pass reads the shard, under a
temporary name, and renamed when complete, so that threads, workers and killed runs do no harm.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from scalable.data.block import Block
from scalable.data.fingerprint import digest_of
from scalable.data.shard import Shard
from scalable.errors import DataError
from scalable.storage.arrays import ArraysWriter, map_arrays
from scalable.storage.documents import SHAPELESS
from scalable.storage.lock import SharedDirectory, remove_unused
from scalable.storage.places import local_place
from scalable.storage.replace import explained, remove_scratch, replacing

KIND = "encoded rows 1"
_PARTS = ("columns", "ids", "label", "weight")
_proven: set[tuple[Any, ...]] = set()  # files whose contents this process has checked
STALE_SECONDS = 3600.0  # nobody takes so long to write a shard


@dataclass(frozen=True)
class CachedReader:
    """A reader that keeps the encoded blocks of another one; has the face of `BlockReader`.

    Parameters
    ----------
    reader : BlockReader
        With a `LinearEncoder`, of a source of files.
    directory : SharedDirectory
        Where to keep the blocks.
    """

    reader: Any
    directory: SharedDirectory

    @property
    def source(self) -> Any:
        """The source of the rows."""
        return self.reader.source

    @property
    def encoder(self) -> Any:
        """The encoder of the rows."""
        return self.reader.encoder

    def only(self, shards: Sequence[Shard]) -> CachedReader:
        """Return the reader without what `shards` do not need, to be sent elsewhere."""
        return replace(self, reader=self.reader.only(shards))

    def blocks(self, shard: Shard) -> Iterator[Block]:
        """Yield the blocks of a shard: from its file where that is intact, else decoded, and kept."""
        path = self.directory.path / f"{shard.file:05d}-{shard.row_start:012d}-{shard.row_stop:012d}.rows"
        kept = _blocks(path, self, shard)
        return self._decode(shard, path) if kept is None else iter(kept)

    def expect(self, shard: Shard) -> bool:
        """Do nothing: kept blocks are mapped, and the system reads ahead of who follows them."""
        return True

    def _decode(self, shard: Shard, path: Path) -> Iterator[Block]:
        remedy = "make room for the cache, choose another directory, or none"
        # not durable: what a power cut leaves is found by its checksum
        with explained(DataError, path, remedy), replacing(path, durable=False) as file:
            yield from self._kept(shard, file)

    def _kept(self, shard: Shard, file: BinaryIO) -> Iterator[Block]:
        writer, first_rows = ArraysWriter(file, KIND), list[int]()
        for block in self.reader.blocks(shard):
            for name in _PARTS:
                if (part := getattr(block, name)) is not None:
                    writer.add(f"{len(first_rows)}.{name}", part)
            first_rows.append(block.first_row)
            yield block
            del block, part  # before the next is decoded
        writer.finish({"first_rows": first_rows})


def cache_directory(
    base: str | os.PathLike[str], source: Any, encoder: Any, block_rows: int
) -> SharedDirectory:
    """Return the directory, made, for the encoded rows of a source; removes those of older states of it.

    As long as it lives, other fits of the same files, with other columns or another selection, leave it alone.

    Parameters
    ----------
    base : path
        Chosen by the user.
    source : ParquetSource
        Its fingerprint is part of the name.
    encoder : LinearEncoder
        What was learned of the columns, likewise.
    block_rows : int
        Rows a block, likewise.

    Raises
    ------
    DataError
        When it cannot be made.
    """
    base = local_place(base, "a cache of encoded rows")
    fingerprint = source.fingerprint().joined(encoder=encoder.state().digest, block_rows=block_rows)
    place = digest_of([path for path, _, _ in fingerprint.parts["files"]])[:12]
    try:
        base.mkdir(parents=True, exist_ok=True)
        directory = SharedDirectory(base / f"{place}-{fingerprint.digest()[:16]}")
    except OSError as error:
        raise DataError(
            f"{base}: the cache cannot be made ({error.strerror}); choose another directory"
        ) from error
    for other in base.glob(f"{place}-*"):
        if other != directory.path:
            remove_unused(other)
    remove_scratch(directory.path, STALE_SECONDS)
    return directory


def _blocks(path: Path, reader: CachedReader, shard: Shard) -> list[Block] | None:
    """Return the mapped blocks of a file, or None where it is absent, damaged, or of anything else."""
    try:
        kept = map_arrays(path, KIND)
        first_rows = [int(first) for first in kept.meta["first_rows"]]
        blocks = [
            Block(
                kept.arrays[f"{k}.columns"],
                kept.arrays[f"{k}.ids"],
                kept.arrays.get(f"{k}.label"),
                kept.arrays.get(f"{k}.weight"),
                first,
            )
            for k, first in enumerate(first_rows)
        ]
    except (OSError, *SHAPELESS):
        return None
    if (state := (kept.state, reader.directory.path)) not in _proven:
        # Kernels write to the places that ids name, without looking: a checksum says nothing of who made it.
        fitting = all(_fits(block, reader.encoder) for block in blocks)
        if not fitting or not _in_order(blocks, shard, every_row=reader.source.selection is None):
            return None
        _proven.add(state)
    return blocks


def _fits(block: Block, encoder: Any) -> bool:
    """Return whether a block is one that the encoder could have made, as far as kernels rely on it."""
    columns, ids, label, weight = block.columns, block.ids, block.label, block.weight
    if columns.ndim != 2 or (label is None) != (encoder.labels is None):
        return False
    n = columns.shape[1]
    whole = columns.dtype == encoder.dtype and columns.shape[0] == encoder.n_columns
    whole &= ids.dtype == np.int32 and ids.shape == (encoder.n_ids, n)
    whole &= all(
        each is None or (each.dtype == np.float64 and each.shape == (n,)) for each in (label, weight)
    )
    whole &= (weight is None) == (encoder.weight is None)
    if not whole or (ids.size and (ids.min() < 0 or ids.max() >= encoder.n_indices)):
        return False
    classes = None if encoder.labels is None else encoder.labels.classes
    if label is None or classes is None or not n:
        return True
    return bool((label >= 0).all() and (label < len(classes)).all() and (label == np.floor(label)).all())


def _in_order(blocks: Sequence[Block], shard: Shard, *, every_row: bool) -> bool:
    """Return whether blocks are rows of a shard, one after another, and all of them where none is left out."""
    end = shard.first_row
    for block in blocks:
        if block.first_row < end or (every_row and block.first_row > end):
            return False
        end = block.first_row + block.n_rows
    last = shard.first_row + shard.n_rows
    return end == last if every_row else end <= last
