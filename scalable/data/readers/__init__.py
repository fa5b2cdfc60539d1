"""Readers: each way of decoding a range of rows behind one face, chosen by what the file holds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa
import pyarrow.types as pt

from scalable.data.footers import Footer
from scalable.data.readers.arrow import open_with_arrow
from scalable.data.readers.cursor import Cursor
from scalable.data.readers.parked import park, take
from scalable.data.readers.polars import open_with_polars
from scalable.errors import DataError

Opener = Callable[[Footer, pa.Schema, Sequence[str], int, int, int], Cursor]


def read_columns(
    footer: Footer, schema: pa.Schema, names: Sequence[str], start: int, stop: int, block_rows: int
) -> Iterator[list[pa.Array]]:
    """Decode rows ``[start, stop)`` of a file in blocks of exactly `block_rows` (the last shorter).

    Yields
    ------
    list of pyarrow.Array
        One per name, of canonical type: text as ``dictionary<int32, string>``, the rest as in
        `schema`.
    """
    _check_unchanged(footer)
    identity = (footer.path, footer.modified_ns, tuple(names), block_rows)
    divided = _inside_row_group(footer, stop)
    try:
        cursor = take((*identity, start))
        if cursor is None:
            opener = open_with_arrow if divided else choose_reader(footer, schema, names)
            cursor = opener(footer, schema, names, start, stop, block_rows)
        finished = False
        try:
            for row in range(start, stop, block_rows):
                wanted = min(block_rows, stop - row)
                arrays = cursor.read(wanted)
                if not arrays or len(arrays[0]) != wanted:
                    raise DataError(
                        f"{footer.path}: ends before row {stop:,}; the file is damaged: write it again"
                    )
                yield arrays
            finished = True
        finally:
            if finished and divided:
                park((*identity, stop), cursor)
            else:
                cursor.close()
    except (DataError, GeneratorExit):
        raise
    except FileNotFoundError as error:
        raise DataError(f"{footer.path}: vanished while it was read; restore it and resume") from error
    except Exception as error:
        raise DataError(
            f"{footer.path}: rows {start:,} to {stop:,} cannot be decoded ({_short(error)}); the file is "
            "damaged or changed while it was read: write it again"
        ) from error


def choose_reader(footer: Footer, schema: pa.Schema, names: Sequence[str]) -> Opener:
    """Return the fastest reader for a file's encodings and the columns asked for.

    Measured (docs/reading.md): polars decodes plain and compressed numeric pages about twice as
    fast as pyarrow; pyarrow is faster on byte-stream-split pages, and only pyarrow hands over
    dictionary-encoded text without building the strings.
    """
    types = [schema.field(name).type for name in names]
    plain = all(
        (pt.is_boolean(t) or pt.is_floating(t) or pt.is_integer(t)) and t != pa.float16() for t in types
    )
    return open_with_polars if plain and not footer.byte_stream_split else open_with_arrow


def _inside_row_group(footer: Footer, row: int) -> bool:
    position = 0
    for size in footer.row_groups:
        position += size
        if position >= row:
            return position != row
    return False


def _check_unchanged(footer: Footer) -> None:
    try:
        status = os.stat(footer.path)
    except OSError as error:
        raise DataError(f"{footer.path}: the file vanished after planning; restore it and resume") from error
    if (status.st_size, status.st_mtime_ns) != (footer.size, footer.modified_ns):
        raise DataError(f"{footer.path}: the file changed since the run was planned; start again")


def _short(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:200] if text else type(error).__name__
