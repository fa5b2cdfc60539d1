"""Second moments of few columns, from where they are in memory: no copy of a block, and half of the products.

BLAS wants the whole block as one centred matrix: making it writes and reads the block four times, which takes longer
than the products where columns are few.
"""

from __future__ import annotations

import numpy as np
from numba import carray

from scalable.kernels.jit import kernel
from scalable.kernels.memory import as_pointer

TILE_ROWS = 256  # of 28 columns, 56 KiB
MOST_COLUMNS = 64  # of more, BLAS is faster
SIDE = 4  # columns by columns whose sums are in registers


@kernel(fastmath=True, inline=True)
def _products(t: np.ndarray, a: int, b: int, out: np.ndarray) -> None:
    """Add the products of four columns from `a` on and four from `b` on."""
    a0, a1, a2, a3 = t[a], t[a + 1], t[a + 2], t[a + 3]
    b0, b1, b2, b3 = t[b], t[b + 1], t[b + 2], t[b + 3]
    s00 = s01 = s02 = s03 = s10 = s11 = s12 = s13 = 0.0
    s20 = s21 = s22 = s23 = s30 = s31 = s32 = s33 = 0.0
    for i in range(TILE_ROWS):
        x0, x1, x2, x3 = a0[i], a1[i], a2[i], a3[i]
        y0, y1, y2, y3 = b0[i], b1[i], b2[i], b3[i]
        s00 += x0 * y0
        s01 += x0 * y1
        s02 += x0 * y2
        s03 += x0 * y3
        s10 += x1 * y0
        s11 += x1 * y1
        s12 += x1 * y2
        s13 += x1 * y3
        s20 += x2 * y0
        s21 += x2 * y1
        s22 += x2 * y2
        s23 += x2 * y3
        s30 += x3 * y0
        s31 += x3 * y1
        s32 += x3 * y2
        s33 += x3 * y3
    for k, row in enumerate((
        (s00, s01, s02, s03), (s10, s11, s12, s13), (s20, s21, s22, s23), (s30, s31, s32, s33),
    )):  # fmt: skip
        for h, value in enumerate(row):
            out[a + k, b + h] += value


@kernel(fastmath=True)
def second_moments(
    addresses: np.ndarray,
    like: np.ndarray,
    n_rows: int,
    tile: np.ndarray,
    mean: np.ndarray,
    square: np.ndarray,
) -> bool:
    """Write the means of columns and the sums of products about them, upper part.

    Sums are of differences to the means of the first rows, so that columns far from zero keep their digits.

    Parameters
    ----------
    addresses : uint64 array of shape (d,)
        Where the values of each column are; one row at least.
    like : array of shape (0,), float32 or float64
        Of their dtype.
    n_rows : int
    tile : float64 array of shape (d, up to the next multiple of `SIDE`; `TILE_ROWS`)
        Work space; rows should not be a power of two apart.
    mean : float64 array of shape (d,)
        Output.
    square : float64 array of shape (>= d, >= d), as many as rows of `tile`
        Output.

    Returns
    -------
    bool
        Whether all values are finite; otherwise the output is of no use.
    """
    d, wide = addresses.size, tile.shape[0]
    shift, total = np.zeros(d), np.zeros(d)
    square[:] = 0.0
    tile[d:] = 0.0
    for start in range(0, n_rows, TILE_ROWS):
        m = min(TILE_ROWS, n_rows - start)
        for j in range(d):
            x = carray(as_pointer(addresses[j]), (n_rows,), like.dtype)[start : start + m]
            if start == 0:
                first = np.float64(x[0])
                some = 0.0
                for i in range(m):
                    some += np.float64(x[i]) - first
                shift[j] = first + some / m
            pivot, some, to = shift[j], 0.0, tile[j]
            for i in range(m):
                apart = np.float64(x[i]) - pivot
                to[i] = apart
                some += apart
            to[m:TILE_ROWS] = 0.0
            total[j] += some
        for a in range(0, wide, SIDE):
            for b in range(a, wide, SIDE):
                _products(tile, a, b, square)
    for j in range(d):
        if total[j] - total[j] != 0.0:
            return False
        mean[j] = shift[j] + total[j] / n_rows
        for k in range(j, d):
            square[j, k] -= total[j] * total[k] / n_rows
    return True
