"""Feature-major values to rows of a matrix, each to the place that a shuffle gave it.

A batch is then a view of consecutive rows of that matrix: every value is read once and written once. Rows are
scattered over more memory than the caches hold, so a row's lines are asked for before it is written.
"""

from __future__ import annotations

import numpy as np
from numba import carray

from scalable.kernels.encode.encoding import encode_floats
from scalable.kernels.jit import kernel
from scalable.kernels.linear.records import FloatColumns
from scalable.kernels.memory import as_pointer
from scalable.kernels.parquet.files import read_rows
from scalable.kernels.prefetch import LINE, prefetch

TILE_ROWS = 2048  # standardised at once: 28 columns of it stay in the second-level cache
_AHEAD = 24  # rows
_PADDING = 16  # values; rows of a tile are then no power of two apart


@kernel()
def scatter_rows(columns: np.ndarray, to: np.ndarray, out: np.ndarray) -> None:
    """Write column i of a feature-major matrix to row ``to[i]`` of `out`.

    Parameters
    ----------
    columns : array of shape (d, >= n)
        Values.
    to : int64 array of shape (n,)
        Rows of `out`; not checked.
    out : array of shape (m, d), C-contiguous
        Written to; converted to its dtype.
    """
    d = out.shape[1]
    if d == 0 or to.size == 0:
        return
    flat = out.reshape(-1)
    step = max(1, LINE // out.itemsize)
    for i in range(to.size):
        ahead = to[min(i + _AHEAD, to.size - 1)] * d
        for k in range(0, min(d, 4 * step), step):
            prefetch(flat, ahead + k)
        row = np.uint64(to[i])
        for j in range(d):
            out[row, j] = columns[j, i]


@kernel(fastmath=True)
def scatter_floats(raw: FloatColumns, to: np.ndarray, out: np.ndarray) -> int:
    """Standardise float32 columns, in memory or in their file, and write them as `scatter_rows` does.

    Parameters
    ----------
    raw : FloatColumns
        The columns.
    to : int64 array of shape (n,)
        Row of `out` for each row of them; not checked.
    out : float32 array of shape (m, d), C-contiguous
        Written to.

    Returns
    -------
    int
        Rows that are done; fewer than n where a value is NaN or infinite, or cannot be read.
    """
    d, n_rows = raw.offsets.size, to.size
    stored = np.empty(TILE_ROWS, np.float32)
    tile = np.empty((d, TILE_ROWS + _PADDING), np.float32)
    start = 0
    while start < n_rows:
        stop = min(start + TILE_ROWS, n_rows)
        for j in range(d):
            if raw.addresses.size:
                x = carray(as_pointer(raw.addresses[j]), (n_rows,), np.float32)[start:stop]
            else:
                x = stored[: stop - start]
                low, high, first = raw.bounds[j], raw.bounds[j + 1], raw.first_row + start
                failed = read_rows(raw.descriptor, raw.places, low, high, 4, first, x.size, x.ctypes.data)
                if failed >= 0:
                    return start
            if encode_floats(x, raw.units[j], raw.offsets[j], raw.scales[j], tile[j, : stop - start]):
                return start
        scatter_rows(tile, to[start:stop], out)
        start = stop
    return start
