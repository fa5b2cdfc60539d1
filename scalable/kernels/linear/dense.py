"""Dense columns: linear predictors and gradients, eight columns in one sweep over the rows.

A sweep loads each value once and touches the row vector once per eight columns, so a batch of a
few hundred rows runs from the nearest cache at the speed of its loads.
"""

from __future__ import annotations

import numpy as np

from scalable.kernels.jit import kernel


@kernel(fastmath=True)
def add_linear(columns: np.ndarray, start: int, w: np.ndarray, z: np.ndarray) -> None:
    """Add ``w @ columns[:, start:start + z.size]`` to `z`.

    Parameters
    ----------
    columns : array of shape (n_columns, n_rows)
        Feature-major values.
    start : int
        First row.
    w : array of shape (n_columns,)
        Coefficients, of the dtype of `columns`.
    z : array of shape (m,)
        Updated.
    """
    n = columns.shape[0]
    m = z.size
    stop = start + m
    j = 0
    while j + 8 <= n:
        x0, x1 = columns[j, start:stop], columns[j + 1, start:stop]
        x2, x3 = columns[j + 2, start:stop], columns[j + 3, start:stop]
        x4, x5 = columns[j + 4, start:stop], columns[j + 5, start:stop]
        x6, x7 = columns[j + 6, start:stop], columns[j + 7, start:stop]
        w0, w1, w2, w3, w4, w5, w6, w7 = (
            w[j],
            w[j + 1],
            w[j + 2],
            w[j + 3],
            w[j + 4],
            w[j + 5],
            w[j + 6],
            w[j + 7],
        )
        for i in range(m):
            z[i] += (w0 * x0[i] + w1 * x1[i] + w2 * x2[i] + w3 * x3[i]) + (
                w4 * x4[i] + w5 * x5[i] + w6 * x6[i] + w7 * x7[i]
            )
        j += 8
    while j + 4 <= n:
        x0, x1 = columns[j, start:stop], columns[j + 1, start:stop]
        x2, x3 = columns[j + 2, start:stop], columns[j + 3, start:stop]
        w0, w1, w2, w3 = w[j], w[j + 1], w[j + 2], w[j + 3]
        for i in range(m):
            z[i] += w0 * x0[i] + w1 * x1[i] + w2 * x2[i] + w3 * x3[i]
        j += 4
    while j < n:
        x0 = columns[j, start:stop]
        w0 = w[j]
        for i in range(m):
            z[i] += w0 * x0[i]
        j += 1


@kernel(fastmath=True)
def dot_columns(columns: np.ndarray, start: int, r: np.ndarray, out: np.ndarray) -> None:
    """Write ``columns[:, start:start + r.size] @ r`` to `out`, shape (n_columns,)."""
    n = columns.shape[0]
    m = r.size
    stop = start + m
    zero = columns.dtype.type(0)
    j = 0
    while j + 4 <= n:
        x0, x1 = columns[j, start:stop], columns[j + 1, start:stop]
        x2, x3 = columns[j + 2, start:stop], columns[j + 3, start:stop]
        a0 = zero
        a1 = zero
        a2 = zero
        a3 = zero
        for i in range(m):
            g = r[i]
            a0 += g * x0[i]
            a1 += g * x1[i]
            a2 += g * x2[i]
            a3 += g * x3[i]
        out[j] = a0
        out[j + 1] = a1
        out[j + 2] = a2
        out[j + 3] = a3
        j += 4
    while j < n:
        x0 = columns[j, start:stop]
        a0 = zero
        for i in range(m):
            a0 += r[i] * x0[i]
        out[j] = a0
        j += 1
