"""Encoded rows on disk: what passes after the first read in place of Parquet.

A file a shard holds its blocks as the kernels take them, one behind the other, and is mapped into
memory: nothing is decoded or copied. It is written while the first pass reads the shard, under a
temporary name, and renamed when complete, so that threads, workers and killed runs do no harm.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from scalable.data.block import Block
from scalable.data.fingerprint import digest_of
from scalable.data.shard import Shard
from scalable.errors import DataError
from scalable.storage.arrays import ArraysError, ArraysWriter, map_arrays
from scalable.storage.replace import explained, remove_scratch, replacing

KIND = "encoded rows 1"
_PARTS = ("columns", "ids", "label", "weight")
STALE_SECONDS = 3600.0  # nobody takes so long to write a shard


@dataclass(frozen=True)
class CachedReader:
    """A reader that keeps the encoded blocks of another one; has the face of `BlockReader`.

    Parameters
    ----------
    reader : BlockReader
        With a `LinearEncoder`, of a source of files.
    directory : path
        Where to keep the blocks, from `cache_directory`.
    """

    reader: Any
    directory: Path

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
        path = self.directory / f"{shard.file:05d}-{shard.row_start:012d}-{shard.row_stop:012d}.rows"
        kept = _blocks(path)
        return self._decode(shard, path) if kept is None else iter(kept)

    def expect(self, shard: Shard) -> None:
        """Do nothing: kept blocks are mapped, and the system reads ahead of who follows them."""

    def _decode(self, shard: Shard, path: Path) -> Iterator[Block]:
        remedy = "make room for the cache, choose another directory, or none"
        # not durable: what a power cut leaves is found by its checksum
        with explained(DataError, path, remedy), replacing(path, durable=False) as file:
            yield from self._kept(shard, file)

    def _kept(self, shard: Shard, file: BinaryIO) -> Iterator[Block]:
        writer, first_rows = ArraysWriter(file, KIND), []
        for k, block in enumerate(self.reader.blocks(shard)):
            for name in _PARTS:
                if (part := getattr(block, name)) is not None:
                    writer.add(f"{k}.{name}", part)
            first_rows.append(block.first_row)
            yield block
        writer.finish({"first_rows": first_rows})


def cache_directory(base: str | os.PathLike[str], source: Any, encoder: Any, block_rows: int) -> Path:
    """Return the directory, made, for the encoded rows of a source; removes that of an older state of it.

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
    fingerprint = source.fingerprint().joined(encoder=encoder.state().digest, block_rows=block_rows)
    place = digest_of([path for path, _, _ in fingerprint.parts["files"]])[:12]
    name = f"{place}-{fingerprint.digest()[:16]}"
    directory = Path(base) / name
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"{base}: the cache cannot be made ({error.strerror}); choose another directory"
        ) from error
    for other in Path(base).glob(f"{place}-*"):
        if other.name != name:
            shutil.rmtree(other, ignore_errors=True)
    remove_scratch(directory, STALE_SECONDS)
    return directory


def _blocks(path: Path) -> list[Block] | None:
    """Return the mapped blocks of a file, or None where it is absent or damaged."""
    try:
        kept = map_arrays(path, KIND)
        parts = kept.arrays
        return [
            Block(
                parts[f"{k}.columns"],
                parts[f"{k}.ids"],
                parts.get(f"{k}.label"),
                parts.get(f"{k}.weight"),
                first,
            )
            for k, first in enumerate(kept.meta["first_rows"])
        ]
    except (FileNotFoundError, ArraysError, KeyError, TypeError):
        return None
