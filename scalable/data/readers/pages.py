"""Pages of uncompressed columns straight from the file, by the system's own copy or a decoder of ours.

Neither polars nor pyarrow is faster. Memory is taken from a pool, because touching fresh pages costs as much
again as filling them. Files are read, not mapped: one that is truncated meanwhile gives an error, not a bus error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa

from scalable.data.footers import Footer
from scalable.data.readers.coded import open_with_codes
from scalable.data.readers.compressed import BY_KERNEL, KNOWN
from scalable.data.readers.cursor import Columns, Cursor
from scalable.data.readers.stored import StoredColumns, find_stored
from scalable.kernels.jit import Pending
from scalable.kernels.parquet.coded import decode_columns

# Values that others decode before the decoder is worth compiling: they take some nanoseconds a value longer, and
# compiling takes seconds.
CODED = Pending(decode_columns, 2**28)
ANEW = 4  # times that rows of a divided row group are decoded by others, at least
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
    """Return a cursor over rows ``[start, stop)``, or None when too little can be taken from there.

    Parameters
    ----------
    rest : callable or None
        Opens a cursor at row `start` for the columns that others must decode; without it, none may be left.
    """
    kinds = [schema.field(name).type for name in names]
    stored, others = find_stored(footer, kinds, names, start, stop)
    plain = [name for name in names if name not in others]
    # Others would decode the beginning of a divided row group anew for each piece of it.
    pieces = rest is None
    if others and CODED.pays((stop - start) * len(others) * (ANEW if pieces else 1)):
        coded, left = open_with_codes(
            footer, schema, others, start, stop, block_rows, KNOWN if pieces else BY_KERNEL
        )
    else:
        coded, left = None, others
    cursors = [] if coded is None else [([name for name in others if name not in left], coded)]

    if (left and rest is None) or (stored is None and coded is None):
        return None
    if left and rest is not None:
        cursors.append((left, rest(left)))

    def close() -> None:
        for _, cursor in cursors:
            cursor.close()

    return Cursor(_pieces(stored, plain, cursors, names, start, stop, block_rows), 0, close)


def _pieces(
    stored: StoredColumns | None,
    plain: Sequence[str],
    cursors: Sequence[tuple[list[str], Cursor]],
    names: Sequence[str],
    start: int,
    stop: int,
    block_rows: int,
) -> Iterator[Columns]:
    for row in range(start, stop, block_rows):
        n = min(block_rows, stop - row)
        found = dict(zip(plain, stored.read(row, n), strict=True)) if stored is not None else {}
        for some, cursor in cursors:
            arrays = cursor.read(n)
            if len(arrays) != len(some):
                raise pa.ArrowInvalid(f"column {some[0]!r} ends before row {row:,}")
            found.update(zip(some, arrays, strict=True))
            del arrays
        yield [found.pop(name) for name in names]
