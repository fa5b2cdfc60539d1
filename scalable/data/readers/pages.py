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
from scalable.data.readers.layout import GroupLayout, Page, group_layout
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
        found = {name: [page for g in groups for page in g.pages(descriptor, name)] for name in names}
        full = {name for name in names if all(g.pages(descriptor, name) for g in groups)}
        others = [name for name in names if name not in full]
        if not full or (others and rest is None):
            os.close(descriptor)
            return None
        cursor = rest(others) if others and rest is not None else None
    except BaseException:
        os.close(descriptor)
        raise
    types = [schema.field(name).type for name in names]
    columns = [_Column(found[name]) if name in full else None for name in names]
    pieces = _pieces(descriptor, columns, types, cursor, start, stop, block_rows)

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
    columns: Sequence[_Column | None],
    types: Sequence[pa.DataType],
    cursor: Cursor | None,
    start: int,
    stop: int,
    block_rows: int,
) -> Iterator[Columns]:
    widths = [
        0 if column is None else kind.bit_width // 8 for column, kind in zip(columns, types, strict=True)
    ]
    for row in range(start, stop, block_rows):
        n = min(block_rows, stop - row)
        others = iter(cursor.read(n) if cursor is not None else ())
        whole = take((sum(widths), n), np.uint8)
        parts = [
            part
            for column, width in zip(columns, widths, strict=True)
            if column is not None
            for part in column.parts(row, n, width)
        ]
        offsets, sizes = zip(*parts, strict=True)
        failed = files.gather(
            descriptor,
            np.array(offsets, np.int64),
            np.array(sizes, np.int64),
            whole.reshape(-1),
        )
        if failed >= 0:
            raise OSError(f"{sizes[failed]:,} bytes at {offsets[failed]:,} cannot be read")
        buffer = pa.py_buffer(whole)  # keeps `whole`; its slices keep the buffer
        arrays, at = [], 0
        for column, kind, width in zip(columns, types, widths, strict=True):
            if column is None:
                arrays.append(next(others))
            else:
                arrays.append(pa.Array.from_buffers(kind, n, [None, buffer.slice(at, width * n)], 0))
                at += width * n
        yield arrays


class _Column:
    """The plain pages of one column, in order."""

    def __init__(self, pages: Sequence[Page]) -> None:
        self._pages = pages
        self._place = 0

    def parts(self, row: int, n: int, width: int) -> Iterator[tuple[int, int]]:
        """Yield offset in the file and size of the pieces that hold rows ``[row, row + n)``."""
        stop = row + n
        while self._pages[self._place].stop <= row:
            self._place += 1
        for page in self._pages[self._place :]:
            if page.first >= stop:
                return
            low, high = max(row, page.first), min(stop, page.stop)
            yield page.offset + (low - page.first) * width, (high - low) * width
