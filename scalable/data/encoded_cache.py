"""Encoded rows on disk: what passes after the first read in place of Parquet.

A file a shard holds its blocks as the kernels take them, one behind the other, and is mapped into
memory: nothing is decoded or copied. It is written while the first pass reads the shard, under a
temporary name, and renamed when complete, so that threads, workers and killed runs do no harm.
"""

from __future__ import annotations

import json
import mmap
import os
import shutil
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from scalable.data.block import Block
from scalable.data.fingerprint import digest_of
from scalable.data.shard import Shard
from scalable.errors import DataError
from scalable.storage.replace import explained, remove_scratch, replacing

_MAGIC = b"SCBLOCK1"
_ALIGN = 64
STALE_SECONDS = 3600.0  # nobody takes so long to write a shard
_checked: set[tuple[str, int, int]] = set()  # files whose checksum this process has verified


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
        kept = _open(path)
        return self._decode(shard, path) if kept is None else _stored_blocks(*kept)

    def expect(self, shard: Shard) -> None:
        """Do nothing: kept blocks are mapped, and the system reads ahead of who follows them."""

    def _decode(self, shard: Shard, path: Path) -> Iterator[Block]:
        remedy = "make room for the cache, choose another directory, or none"
        # not durable: what a power cut leaves is found by its checksum
        with explained(DataError, path, remedy), replacing(path, durable=False) as file:
            yield from self._kept(shard, file)

    def _kept(self, shard: Shard, file: Any) -> Iterator[Block]:
        heads, crc, at = [], 0, 0
        for block in self.reader.blocks(shard):
            parts = [block.columns, block.ids, block.label, block.weight]
            head: dict[str, Any] = {"first_row": block.first_row, "parts": []}
            for part in parts:
                if part is None:
                    head["parts"].append(None)
                    continue
                data = np.ascontiguousarray(part)
                pad = bytes(-at % _ALIGN)
                file.write(pad)
                file.write(data.data if data.size else b"")
                crc = zlib.crc32(data.data if data.size else b"", zlib.crc32(pad, crc))
                at += len(pad)
                head["parts"].append([at, data.dtype.str, list(data.shape)])
                at += data.nbytes
            heads.append(head)
            yield block
        index = json.dumps({"blocks": heads, "crc": crc}).encode()
        file.write(index + len(index).to_bytes(8, "little"))
        file.write(zlib.crc32(index).to_bytes(4, "little") + _MAGIC)


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


def _open(path: Path) -> tuple[mmap.mmap, list[dict[str, Any]]] | None:
    """Return the mapped file and its blocks, or None where it is absent or damaged."""
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            if status.st_size < 20:
                return None
            mapped = mmap.mmap(
                file.fileno(), 0, access=mmap.ACCESS_COPY
            )  # kernels are compiled for writable arrays
    except FileNotFoundError:
        return None
    end = len(mapped)
    length = int.from_bytes(mapped[end - 20 : end - 12], "little")
    index = mapped[max(0, end - 20 - length) : end - 20]
    if mapped[end - 8 :] != _MAGIC or zlib.crc32(index) != int.from_bytes(
        mapped[end - 12 : end - 8], "little"
    ):
        return None
    found = json.loads(index)
    key = (str(path), status.st_ino, status.st_mtime_ns)
    if key not in _checked:
        if zlib.crc32(memoryview(mapped)[: end - 20 - length]) != found["crc"]:
            return None
        _checked.add(key)
    return mapped, found["blocks"]


def _stored_blocks(mapped: mmap.mmap, heads: list[dict[str, Any]]) -> Iterator[Block]:
    for head in heads:
        parts = [
            None
            if place is None
            else np.frombuffer(
                mapped, place[1], int(np.prod(place[2])), place[0] if np.prod(place[2]) else 0
            ).reshape(place[2])
            for place in head["parts"]
        ]
        columns, ids, label, weight = parts
        assert columns is not None
        assert ids is not None
        yield Block(columns, ids, label, weight, head["first_row"])
