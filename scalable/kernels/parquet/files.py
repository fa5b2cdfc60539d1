"""Many small reads of a file in one call, so that threads do not hand the interpreter lock to and fro.

Each system call from Python gives the lock away and waits for it again; two threads that read column
by column spend more time on that than on reading.
"""

from __future__ import annotations

import numpy as np
from numba import types

from scalable.kernels.jit import kernel

pread = types.ExternalFunction("pread", types.int64(types.int32, types.uintp, types.uintp, types.int64))


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
def read_rows(
    descriptor: int, places: np.ndarray, begin: int, end: int, width: int, row: int, n_rows: int, to: int
) -> int:
    """Copy rows of one column to memory.

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
    here = row
    for k in range(low, end):
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
