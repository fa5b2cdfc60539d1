"""A matrix product whose rows know nothing of each other.

BLAS adds up in an order that depends on how many rows are given, on their place and on the machine: a row would be
scored otherwise beside other rows. Here each sum goes through the inner axis once, upwards.
"""

from __future__ import annotations

import numpy as np

from scalable.kernels.jit import kernel


@kernel()
def rows_times(h: np.ndarray, weights: np.ndarray, out: np.ndarray) -> None:
    """Write the product of `h` and `weights`: equal rows give equal bits, wherever they stand.

    Parameters
    ----------
    h : array of shape (n, d)
        Rows.
    weights : array of shape (d, m), C-contiguous
        Of the same dtype.
    out : array of shape (n, m), C-contiguous
        Overwritten.
    """
    d, m = weights.shape
    four = d - d % 4
    for i in range(h.shape[0]):
        to = out[i]
        for j in range(m):
            to[j] = 0.0
        for k in range(0, four, 4):  # one load and one store of a sum for four terms
            a, b, c, e = h[i, k], h[i, k + 1], h[i, k + 2], h[i, k + 3]
            for j in range(m):
                to[j] = (
                    to[j]
                    + a * weights[k, j]
                    + b * weights[k + 1, j]
                    + c * weights[k + 2, j]
                    + e * weights[k + 3, j]
                )
        for k in range(four, d):
            a = h[i, k]
            for j in range(m):
                to[j] += a * weights[k, j]
