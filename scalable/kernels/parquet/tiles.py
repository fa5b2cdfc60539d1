"""Compressed columns of single precision, decoded page by page into the near cache, where a kernel learns from them.

A block of decoded columns is larger than the cache: it is written to memory and read from there again, which costs
about as much as decompressing it. A page of each column is not.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import carray

from scalable.kernels.buffers import LINE
from scalable.kernels.jit import kernel
from scalable.kernels.memory import as_pointer
from scalable.kernels.parquet.codecs import memcpy
from scalable.kernels.parquet.coded import (
    BEGIN,
    BYTES,
    END,
    FIRST,
    FORM,
    LEVELS,
    OUT,
    PLAIN,
    STOP,
    WHOLE,
    decode_page,
    first_page,
    load_page,
)
from scalable.kernels.parquet.pages import REQUIRED, decode_levels
from scalable.kernels.parquet.runs import PADDING

# Of what a column has in memory: which page, where its values are, and where to put the next page, so that its values
# begin on a cache line although levels are in front of them.
PAGE, VALUES, LEAD = range(3)
HERE_FIELDS = 3
NONE = -1  # no page


class TileColumns(NamedTuple):
    """Columns of one row group, and memory for a page of each; used by one thread at a time.

    Attributes
    ----------
    descriptor : int
        Open file.
    pages, columns : int64 arrays
        See `scalable.kernels.parquet.coded.decode_columns`; ``OUT`` is room for the values of the largest page, its
        padding and a cache line more.
    here : int64 array of shape (n_columns, 3)
        `PAGE` (or `NONE`), `VALUES` and `LEAD` of each column, changed here.
    counts : int64 array of shape (1,)
        Output: how many rows the pages have that were opened.
    buffer, stored, valid, codes, words, some : arrays
        Work space, see `decode_columns`.
    """

    descriptor: int
    pages: np.ndarray
    columns: np.ndarray
    here: np.ndarray
    counts: np.ndarray
    buffer: np.ndarray
    stored: np.ndarray
    valid: np.ndarray
    codes: np.ndarray
    words: np.ndarray
    some: np.ndarray


@kernel()
def _open_page(tiles: TileColumns, c: int, p: int) -> bool:
    """Bring the values of a page to memory; False where it cannot be decoded, or some of its values are missing."""
    column, page = tiles.columns[c], tiles.pages[p]
    n, whole = page[STOP] - page[FIRST], page[WHOLE]
    tiles.here[c, PAGE] = NONE
    plain = page[FORM] == PLAIN
    to = column[OUT] + tiles.here[c, LEAD] if plain else np.int64(tiles.buffer.ctypes.data)
    if not load_page(tiles.descriptor, page, tiles.stored, to):
        return False
    tiles.counts[0] += n
    data = carray(as_pointer(np.uintp(to)), (whole + PADDING,), np.uint8)
    at = np.int64(0)
    if page[LEVELS] != REQUIRED:
        at, full = decode_levels(data, page[LEVELS], whole, n, n, tiles.valid)
        if at < 0 or not full:
            return False
    values = column[OUT]
    if not plain:
        if not decode_page(
            data, at, whole, column, page[FORM], 0, n, n, tiles.valid, column[OUT], tiles.codes, tiles.words, tiles.some
        ):  # fmt: skip
            return False
    elif n * column[BYTES] > whole - at:
        return False
    else:
        values = to + at
        tiles.here[c, LEAD] = -at % LINE
        if values % column[BYTES]:  # as the first page of a column with levels
            between, size = np.uintp(tiles.buffer.ctypes.data), np.uintp(n * column[BYTES])
            memcpy(between, np.uintp(values), size)
            values = column[OUT]
            memcpy(np.uintp(values), between, size)
    tiles.here[c, PAGE], tiles.here[c, VALUES] = p, values
    return True


@kernel()
def tile_address(tiles: TileColumns, c: int, row: int, n: int, joined: int) -> int:
    """Return the address of `n` values of column `c` from row `row` on; 0 where they cannot be had.

    Values of one page stay where they are, those of several are put together at address `joined`.
    """
    width, end = tiles.columns[c, BYTES], tiles.columns[c, END]
    done = np.int64(0)
    while done < n:
        p = tiles.here[c, PAGE]
        if p < 0 or not tiles.pages[p, FIRST] <= row + done < tiles.pages[p, STOP]:
            p = first_page(tiles.pages, tiles.columns[c, BEGIN], end, row + done)
            if p == end or tiles.pages[p, FIRST] > row + done or not _open_page(tiles, c, p):
                return 0
        size = min(n - done, tiles.pages[p, STOP] - row - done)
        source = tiles.here[c, VALUES] + (row + done - tiles.pages[p, FIRST]) * width
        if size == n:
            return source  # type: ignore[no-any-return]
        memcpy(np.uintp(joined + done * width), np.uintp(source), np.uintp(size * width))
        done += size
    return joined
