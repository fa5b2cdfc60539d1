"""Readers: each way of decoding a range of rows behind one face, chosen by what the file holds."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, zip_longest

import pyarrow as pa
import pyarrow.types as pt

from scalable.data.footers import Footer, check_unchanged
from scalable.data.readers.arrow import open_with_arrow
from scalable.data.readers.cursor import Cursor
from scalable.data.readers.cursor_pool import park, take
from scalable.data.readers.held import held
from scalable.data.readers.layout import check_levels, old_times, only_for_arrow
from scalable.data.readers.pages import open_with_pages
from scalable.data.readers.polars import open_with_polars, row_bytes
from scalable.errors import DataError
from scalable.storage.files import is_local

LARGE_BYTES = 2**27  # of one decoded row group, which polars would hold whole
LEAST_BYTES = (
    2**22
)  # of all decoded columns; opening a polars scan takes as long as pyarrow takes for so many
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
    try:
        with held(footer, names, start, stop) as here:
            yield from _decoded(here, schema, names, start, stop, block_rows)
    except OSError as error:
        raise DataError(f"{footer.path}: cannot be read ({error.strerror or error})") from error


def _decoded(
    footer: Footer, schema: pa.Schema, names: Sequence[str], start: int, stop: int, block_rows: int
) -> Iterator[list[pa.Array]]:
    if is_local(footer.path):  # others are asked for this version alone
        check_unchanged(footer.path, footer.version)
    identity = (footer.path, footer.version, tuple(names), block_rows)
    groups = list(_groups_of(footer, start, stop))
    begin, unfinished = groups[0][1] - groups[0][0], groups[-1][1] != stop
    divided = unfinished or begin != start
    try:
        cursor = take(identity, begin, start) if len(groups) == 1 else None
        if cursor is None:

            def rest(others: Sequence[str]) -> Cursor:
                opener = open_with_arrow if divided else choose_reader(footer, schema, others, start, stop)
                return opener(footer, schema, others, start, stop, block_rows)

            cursor = open_with_pages(
                footer, schema, names, start, stop, block_rows, None if divided else rest
            )
            unfinished = unfinished and cursor is None
            cursor = cursor or rest(names)
        finished = False
        try:
            for row in range(start, stop, block_rows):
                wanted = min(block_rows, stop - row)
                arrays = cursor.read(wanted)
                for name, array in zip_longest(names, arrays):
                    if array is None or len(array) != wanted:
                        raise DataError(
                            f"{footer.path}: row group {_group_at(footer, row)}, column {name!r} ends before row "
                            f"{row + wanted:,}; the file is damaged: write it again"
                        )
                yield arrays
            finished = True
        finally:
            if finished and unfinished:
                park(identity, stop, cursor)
            else:
                cursor.close()
    except pa.ArrowMemoryError as error:
        raise MemoryError(str(error)) from error
    except pa.ArrowNotImplementedError as error:
        raise DataError(
            f"{footer.path}: rows {start:,} to {stop:,} are stored in a way that is not read here ({_short(error)}); "
            "write it again with another encoding or compression"
        ) from error
    except FileNotFoundError as error:
        raise DataError(f"{footer.path}: vanished while it was read; restore it and resume") from error
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{footer.path}: rows {start:,} to {stop:,} cannot be decoded ({_short(error)}); the file is "
            "damaged or changed while it was read: write it again"
        ) from error


def choose_reader(footer: Footer, schema: pa.Schema, names: Sequence[str], start: int, stop: int) -> Opener:
    """Return the fastest reader for a file's encodings and the columns asked for, that refuses what is damaged.

    Measured (docs/reading.md): polars decodes plain and compressed numeric pages about twice as
    fast as pyarrow; pyarrow is faster on byte-stream-split pages, and only pyarrow hands over
    dictionary-encoded text without building the strings, or decodes large row groups in pieces.
    """
    types = [schema.field(name).type for name in names]
    patterns = any(name == "*" or name.startswith("^") for name in names)  # polars would expand them
    plain = all(map(_plain, types)) and not patterns
    if footer.byte_stream_split or not plain:
        return open_with_arrow
    largest, width = max(size for size, _ in _groups_of(footer, start, stop)), row_bytes(types)
    if only_for_arrow(footer, names, start, stop) or old_times(footer, names):
        return open_with_arrow
    suits = largest * width <= LARGE_BYTES and (stop - start) * width >= LEAST_BYTES
    if not suits:
        return open_with_arrow
    check_levels(footer, names, start, stop)
    return open_with_polars


def _plain(kind: pa.DataType) -> bool:
    """Return whether polars and pyarrow decode a type to the same values, at its own width."""
    number = pt.is_boolean(kind) or pt.is_integer(kind) or pt.is_float32(kind) or pt.is_float64(kind)
    return bool(number or pt.is_date32(kind) or pt.is_timestamp(kind))


def _groups_of(footer: Footer, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Yield size and end of the row groups that hold rows ``[start, stop)``."""
    end = 0
    for size in footer.row_groups:
        end += size
        if end > start and size:
            yield size, end
        if end >= stop:
            return


def _group_at(footer: Footer, row: int) -> int:
    """Return the row group that holds a row."""
    return bisect_right(list(accumulate(footer.row_groups)), row)


def _short(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:200] if text else type(error).__name__
