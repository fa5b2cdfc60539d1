"""Many small reads of a file in one call, so that threads do not hand the interpreter lock to and fro.

Each system call from Python gives the lock away and waits for it again; two threads that read column
by column spend more time on that than on reading.
"""

from __future__ import annotations

import numpy as np
from numba import types

from scalable.kernels.jit import kernel

pread = types.ExternalFunction("pread", types.int64(types.int32, types.uintp, types.uintp, types.int64))
preadv = types.ExternalFunction("preadv", types.int64(types.int32, types.uintp, types.int32, types.int64))

VECTORS = 64  # pieces of memory that one call of the system fills
GAP_BYTES = 4096  # most between the values of two pages, which is read and forgotten

FIRST, STOP, OFFSET = range(3)  # of a page: its first row, the row after its last, where its values begin


@kernel()
def read_bytes(descriptor: int, offset: int, to: int, size: int) -> bool:
    """Copy bytes of a file to memory at address `to`; False where it ends early or cannot be read."""
    while size > 0:
        got = pread(np.int32(descriptor), np.uintp(to), np.uintp(size), offset)
        if got <= 0:  # Python finds out which
            return False
        to += got
        offset += got
        size -= got
    return True


@kernel()
def _read_by_page(
    descriptor: int, places: np.ndarray, first: int, end: int, width: int, row: int, n_rows: int, to: int
) -> int:
    """Do `read_rows` with a call of the system for each page, from page `first` on."""
    here = row
    for k in range(first, end):
        stop = min(places[k, STOP], row + n_rows)
        offset = places[k, OFFSET] + (here - places[k, FIRST]) * width
        size = (stop - here) * width
        if not read_bytes(descriptor, offset, to, size):
            return k
        to += size
        here = stop
        if here == row + n_rows:
            return -1
    return -1 if here == row + n_rows else end - 1


@kernel()
def _fill(descriptor: int, vectors: np.ndarray, n: int, offset: int, size: int) -> bool:
    """Copy `size` bytes of a file to the first `n` pieces of memory, by one call; False where it copies fewer."""
    return bool(
        preadv(np.int32(descriptor), np.uintp(vectors.ctypes.data), np.int32(n), np.int64(offset)) == size
    )


@kernel()
def read_rows(
    descriptor: int, places: np.ndarray, begin: int, end: int, width: int, row: int, n_rows: int, to: int
) -> int:
    """Copy rows of one column to memory.

    Pages that follow each other are read by one call of the system, with what is between their values: each call
    takes as long as copying some thousand bytes.

    Parameters
    ----------
    descriptor : int
        Open file.
    places : array of shape (n_pages, 3), int64
        Pages, as `FIRST`, `STOP` and `OFFSET`; those of the column are ``places[begin:end]``.
    width : int
        Bytes a value.
    row, n_rows : int
        First row, and how many.
    to : int
        Address of room for all of them.

    Returns
    -------
    int
        -1, or the number of the first page that could not be read.
    """
    low, high = begin, end
    while low < high:  # the first page that ends after the first row
        middle = (low + high) // 2
        if places[middle, STOP] <= row:
            low = middle + 1
        else:
            high = middle
    last = row + n_rows
    if low == end or places[low, STOP] >= last:
        return int(_read_by_page(descriptor, places, low, end, width, row, n_rows, to))
    # One piece of memory, which lives until the last call: an array that is known by its address only is freed before.
    vectors = np.empty((VECTORS + GAP_BYTES // 16, 2), np.uint64)
    gap = np.int64(vectors.ctypes.data) + 16 * VECTORS
    n, start, at, here, free = np.int64(0), np.int64(0), np.int64(0), np.int64(row), np.int64(to)
    for k in range(low, end):
        stop = min(places[k, STOP], last)
        offset = places[k, OFFSET] + (here - places[k, FIRST]) * width
        size = (stop - here) * width
        if n and (n + 2 > VECTORS or not 0 <= offset - at <= GAP_BYTES):
            if not _fill(descriptor, vectors, n, start, at - start):
                return int(_read_by_page(descriptor, places, low, end, width, row, n_rows, to))
            n = np.int64(0)
        if n == 0:
            start = at = offset
        if offset > at:
            vectors[n, 0], vectors[n, 1] = gap, offset - at
            n += 1
        vectors[n, 0], vectors[n, 1] = free, size
        n += 1
        at, free, here = offset + size, free + size, stop
        if here == last:
            break
    if here == last and _fill(descriptor, vectors, n, start, at - start):
        return -1
    return int(_read_by_page(descriptor, places, low, end, width, row, n_rows, to))


@kernel()
def gather(
    descriptor: int,
    places: np.ndarray,
    bounds: np.ndarray,
    widths: np.ndarray,
    row: int,
    n_rows: int,
    out: np.ndarray,
) -> int:
    """Put rows of several columns one column behind the other.

    Parameters
    ----------
    descriptor : int
        Open file.
    places : array of shape (n_pages, 3), int64
        Pages of all columns, as `FIRST`, `STOP` and `OFFSET`.
    bounds : array of shape (n_columns + 1,), int64
        Where the pages of each column begin.
    widths : array of shape (n_columns,), int64
        Bytes a value.
    row, n_rows : int
        First row, and how many.
    out : array of shape (sum(widths) * n_rows,), uint8
        Output.

    Returns
    -------
    int
        -1, or the number of the first page that could not be read.
    """
    at = np.int64(out.ctypes.data)  # unsigned plus signed would be a float64
    for c in range(widths.size):
        failed = read_rows(descriptor, places, bounds[c], bounds[c + 1], widths[c], row, n_rows, at)
        if failed >= 0:
            return int(failed)
        at += widths[c] * n_rows
    return -1
