"""Plain pages straight from the file: uncompressed numbers go from the page cache to where they are used.

Neither polars nor pyarrow is faster than the system's own copy. Memory is taken from a pool, because
touching fresh pages costs as much again as filling them. Files are read, not mapped: one that is
truncated meanwhile gives an error, not a bus error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa

from scalable.data.footers import Footer
from scalable.data.readers.cursor import Columns, Cursor
from scalable.data.readers.stored import StoredColumns, find_stored

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
    stored, others = find_stored(footer, schema, names, start, stop)
    if stored is None or (others and rest is None):
        return None
    cursor = rest(others) if others and rest is not None else None
    pieces = _pieces(stored, names, others, cursor, start, stop, block_rows)
    return Cursor(pieces, 0, lambda: None if cursor is None else cursor.close())


def _pieces(
    stored: StoredColumns,
    names: Sequence[str],
    others: Sequence[str],
    cursor: Cursor | None,
    start: int,
    stop: int,
    block_rows: int,
) -> Iterator[Columns]:
    for row in range(start, stop, block_rows):
        n = min(block_rows, stop - row)
        rest = iter(cursor.read(n) if cursor is not None else ())
        plain = iter(stored.read(row, n))
        yield [next(rest) if name in others else next(plain) for name in names]
