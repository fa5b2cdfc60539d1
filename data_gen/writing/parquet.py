"""One Parquet file: generated and encoded row group by row group, hashed while it is written."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data_gen.columns import CATEGORY, Column
from data_gen.recipe import Recipe, empty_frame
from data_gen.writing import arrow
from data_gen.writing.request import Part, Request

BUFFER = 1 << 18  # bytes; measured: fits the L2 cache, and system calls no longer matter


class HashedFile:
    """A new file that Arrow writes to natively, and the SHA-256 of what is in it.

    A Python object as Arrow's sink would copy every page into a fresh `bytes`, a third of the cost of
    writing; reading the page cache back into one small buffer takes a tenth of it.

    Parameters
    ----------
    path : Path
        Created or truncated.

    Attributes
    ----------
    sink : pa.NativeFile
        What to write to.
    """

    def __init__(self, path: Path) -> None:
        self._read = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
        self.sink = pa.BufferedOutputStream(pa.OSFile(str(path), "wb"), BUFFER)
        self._digest, self._piece, self.size = hashlib.sha256(), bytearray(BUFFER), 0

    def hash_written(self) -> None:
        """Add what was written since the last call to the digest."""
        if not self.sink.closed:
            self.sink.flush()
        whole = memoryview(self._piece)
        while n := os.preadv(self._read, [self._piece], self.size):
            self._digest.update(whole[:n])
            self.size += n

    def close(self) -> None:
        """Flush to the disk and close."""
        if self._read < 0:
            return
        try:
            self.sink.close()
            self.hash_written()
            os.fsync(self._read)
        finally:
            os.close(self._read)
            self._read = -1

    @property
    def sha256(self) -> str:
        """Hexadecimal digest of everything written, once closed."""
        return self._digest.hexdigest()


def open_writer(where: Any, columns: Sequence[Column], compression: str) -> pq.ParquetWriter:
    """Return a Parquet writer with each column's own encoding."""
    plain = {c.name: "DELTA_BINARY_PACKED" for c in columns if c.encoding == "delta"}
    return pq.ParquetWriter(
        where,
        arrow.schema(columns),
        compression=compression.upper(),
        use_dictionary=[c.name for c in columns if c.encoding == "dictionary"],
        column_encoding=plain or None,
        # bounds of strings and floats help no reader here and cost up to as much as the encoding
        write_statistics=[c.name for c in columns if c.type not in (CATEGORY, "float32", "float64")],
        write_batch_size=1 << 16,
        data_page_size=1 << 20,
    )


def encoded_size(recipe: Recipe, request: Request, rows: int) -> int:
    """Return the bytes that `rows` rows take, from encoding a small sample in memory."""
    sample = min(rows, 1 << 14)
    sink = pa.BufferOutputStream()
    with open_writer(sink, recipe.columns, request.compression) as writer:
        writer.write_table(arrow.table(recipe.columns, recipe.compute(0, sample, recipe.columns)))
    return int(sink.getvalue().size / sample * rows)


def write_part(recipe: Recipe, request: Request, part: Part, path: Path, truth: Any,
               advance: Callable[[int], None]) -> tuple[int, str]:  # fmt: skip
    """Write one file and add its rows to `truth`.

    Parameters
    ----------
    recipe : Recipe
    request : Request
    part : Part
    path : Path
        Where to write; fsynced before returning.
    truth : BinaryTruth or another accumulator
    advance : callable
        Called with the rows of each finished row group; may raise to cancel.

    Returns
    -------
    size, sha256 : int, str
    """
    file = HashedFile(path)
    try:
        with open_writer(file.sink, recipe.columns, request.compression) as writer:
            room = empty_frame(recipe.columns, min(request.row_group_rows, part.rows))
            for start in range(part.start, part.stop, request.row_group_rows):
                stop = min(start + request.row_group_rows, part.stop)
                frame, known = recipe.score(start, stop, recipe.columns, room)
                truth.update(known)
                del known
                table = arrow.table(recipe.columns, frame)
                writer.write_table(table, row_group_size=request.row_group_rows)
                del table  # before its memory is written over
                file.hash_written()
                advance(stop - start)
    finally:
        file.close()
    return file.size, file.sha256
