"""Readers: each way of decoding a range of rows behind one face, chosen by what the file holds."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, zip_longest

import pyarrow as pa

from scalable.data.footers import Footer, check_unchanged
from scalable.data.readers.arrow import open_with_arrow
from scalable.data.readers.cursor import Cursor
from scalable.data.readers.cursor_pool import park, take
from scalable.data.readers.held import held
from scalable.data.readers.pages import open_with_pages
from scalable.errors import DataError
from scalable.storage.files import is_local


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
                return open_with_arrow(footer, schema, others, start, stop, block_rows)

            cursor = open_with_pages(
                footer, schema, names, start, stop, block_rows, None if divided else rest
            )
            unfinished = unfinished and cursor is None
            cursor = cursor or rest(names)
        finished = False
        try:
            for row in range(start, stop, block_rows):
                wanted = min(block_rows, stop - row)
                # Without a name here, which would keep them until others are decoded.
                yield _whole(cursor.read(wanted), footer, names, row, wanted)
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
        column = _culprit(footer, schema, names, start, stop)
        raise DataError(
            f"{footer.path}: rows {start:,} to {stop:,}{column} cannot be decoded ({_short(error)}); the file "
            "is damaged, changed while it was read, or of a writer that pyarrow does not understand: write it again"
        ) from error


def _whole(
    arrays: list[pa.Array], footer: Footer, names: Sequence[str], row: int, wanted: int
) -> list[pa.Array]:
    """Return columns from a row on that hold as many rows as are wanted; others are damage."""
    for name, array in zip_longest(names, arrays):
        if array is None or len(array) != wanted:
            raise DataError(
                f"{footer.path}: row group {_group_at(footer, row)}, column {name!r} ends before row "
                f"{row + wanted:,}; the file is damaged: write it again"
            )
    return arrays


def _culprit(footer: Footer, schema: pa.Schema, names: Sequence[str], start: int, stop: int) -> str:
    """Return which column pyarrow cannot decode, as words of a message; none where it is not one alone."""
    for name in names:
        try:
            cursor = open_with_arrow(footer, schema, [name], start, stop, stop - start)
            cursor.read(stop - start)
            cursor.close()
        except Exception:
            return f", column {name!r},"
    return ""


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
