"""One Parquet file: generated and encoded row group by row group, hashed while it is written."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data_gen import arrow
from data_gen.columns import CATEGORY, Column
from data_gen.plan import Part, Request
from data_gen.recipe import Recipe, empty_frame


class HashingFile:
    """A binary file that knows the SHA-256 of what was written to it.

    Parameters
    ----------
    path : Path
        Created or truncated.
    """

    def __init__(self, path: Path) -> None:
        self._file = open(path, "wb", buffering=0)  # noqa: SIM115  closed by `close`
        self._digest = hashlib.sha256()
        self.size = 0

    def write(self, data: Any) -> int:
        """Append bytes and return how many."""
        view = memoryview(data).cast("B")
        self._digest.update(view)
        written = 0
        while written < len(view):
            written += self._file.write(view[written:])
        self.size += written
        return written

    def flush(self) -> None:
        """Nothing is buffered."""

    @property
    def closed(self) -> bool:
        """Whether the file is closed."""
        return self._file.closed

    def close(self) -> None:
        """Flush to the disk and close."""
        if not self._file.closed:
            os.fsync(self._file.fileno())
            self._file.close()

    @property
    def sha256(self) -> str:
        """Hexadecimal digest of everything written."""
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
    sink = HashingFile(path)
    try:
        with open_writer(sink, recipe.columns, request.compression) as writer:
            room = empty_frame(recipe.columns, min(request.row_group_rows, part.rows))
            for start in range(part.start, part.stop, request.row_group_rows):
                stop = min(start + request.row_group_rows, part.stop)
                frame, known = recipe.score(start, stop, recipe.columns, room)
                truth.update(known)
                del known
                table = arrow.table(recipe.columns, frame)
                writer.write_table(table, row_group_size=request.row_group_rows)
                del table  # before its memory is written over
                advance(stop - start)
    finally:
        sink.close()
    return sink.size, sink.sha256
