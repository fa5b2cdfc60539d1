"""Plain pages straight from the file: uncompressed numbers go from the page cache to where they are used.

Neither polars nor pyarrow is faster than the system's own copy. Memory is taken from a pool, because
touching fresh pages costs as much again as filling them. Files are read, not mapped: one that is
truncated meanwhile gives an error, not a bus error.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from scalable.data.buffers import take
from scalable.data.footers import Footer
from scalable.data.readers.cursor import Columns, Cursor
from scalable.data.readers.layout import GroupLayout, Pages, group_layout
from scalable.kernels import files

Rest = Callable[[list[str]], Cursor]  # opens a cursor over other columns of the same rows


def open_with_pages(
    footer: Footer,
    schema: pa.Schema,
    names: Sequence[str],
    start: int,
    stop: int,
    block_rows: int,
    rest: Rest | None,
) -> Cursor | None:
    """Return a cursor over rows ``[start, stop)``, or None when too little is plain there.

    Parameters
    ----------
    rest : callable or None
        Opens a cursor at row `start` for the columns that are not plain; without it, all must be.
    """
    groups = _groups(footer, schema, start, stop)
    descriptor = os.open(footer.path, os.O_RDONLY)
    try:
        found = {name: [g.pages(descriptor, name, stop) for g in groups] for name in names}
        full = {name for name in names if all(map(len, found[name]))}
        others = [name for name in names if name not in full]
        if not full or (others and rest is None):
            os.close(descriptor)
            return None
        cursor = rest(others) if others and rest is not None else None
    except BaseException:
        os.close(descriptor)
        raise
    types = [schema.field(name).type for name in names]
    plain = [np.concatenate(found[name]) if name in full else None for name in names]
    pieces = _pieces(descriptor, plain, types, cursor, start, stop, block_rows)

    def close() -> None:
        os.close(descriptor)
        if cursor is not None:
            cursor.close()

    return Cursor(pieces, 0, close)


def _groups(footer: Footer, schema: pa.Schema, start: int, stop: int) -> list[GroupLayout]:
    groups, end = [], 0
    for group, size in enumerate(footer.row_groups):
        if size and end < stop and end + size > start:
            groups.append(group_layout(footer, schema, group))
        end += size
    return groups


def _pieces(
    descriptor: int,
    plain: Sequence[Pages | None],
    types: Sequence[pa.DataType],
    cursor: Cursor | None,
    start: int,
    stop: int,
    block_rows: int,
) -> Iterator[Columns]:
    widths = [0 if pages is None else kind.bit_width // 8 for pages, kind in zip(plain, types, strict=True)]
    tables = [pages for pages in plain if pages is not None]
    places, bounds = np.concatenate(tables), np.cumsum([0, *map(len, tables)])
    filled = np.array([width for width in widths if width], np.int64)
    for row in range(start, stop, block_rows):
        n = min(block_rows, stop - row)
        others = iter(cursor.read(n) if cursor is not None else ())
        whole = take((sum(widths), n), np.uint8)
        failed = files.gather(descriptor, places, bounds, filled, row, n, whole.reshape(-1))
        if failed >= 0:
            raise OSError(f"the page at {places[failed, files.OFFSET]:,} cannot be read")
        buffer = pa.py_buffer(whole)  # keeps `whole`; its slices keep the buffer
        arrays, at = [], 0
        for kind, width in zip(types, widths, strict=True):
            if not width:
                arrays.append(next(others))
            else:
                arrays.append(pa.Array.from_buffers(kind, n, [None, buffer.slice(at, width * n)], 0))
                at += width * n
        yield arrays
