"""Features of few categories: their gradients are summed beside the table, category by category, not row by row.

Rows of a batch hit the same few cells again and again, and each addition waits for the one before; four partial
sums a category break that chain, and whether a cell was touched is asked once a category.
"""

from __future__ import annotations

import numpy as np

from scalable.kernels.jit import kernel
from scalable.kernels.linear.adaptive_optimizers import G

MOST_CATEGORIES = 128
SUMS = 4


@kernel(inline=True)
def narrow_features(ids: np.ndarray, ranges: np.ndarray) -> None:
    """Find the features of few categories that share no index with another one.

    Parameters
    ----------
    ids : array of shape (n_features, n_rows), int32
        Feature indices.
    ranges : array of shape (n_features, 2), int64
        Output: first index, and the index after the last, of such features; (0, 0) of others.
    """
    for h in range(ids.shape[0]):
        low = high = ids[h, 0] if ids.shape[1] else np.int32(0)
        for i in range(ids.shape[1]):
            low = min(low, ids[h, i])
            high = max(high, ids[h, i])
        ranges[h, 0], ranges[h, 1] = low, high + 1
    alone = np.empty(ids.shape[0], np.bool_)
    for h in range(ids.shape[0]):
        alone[h] = ranges[h, 1] - ranges[h, 0] <= MOST_CATEGORIES
        for other in range(ids.shape[0]):
            if other != h and ranges[h, 0] < ranges[other, 1] and ranges[other, 0] < ranges[h, 1]:
                alone[h] = False
    for h in range(ids.shape[0]):
        if not alone[h]:
            ranges[h, 0] = ranges[h, 1] = 0


@kernel(inline=True)
def gather_narrow(
    indices: np.ndarray,
    low: int,
    high: int,
    r: np.ndarray,
    sums: np.ndarray,
    touched: np.ndarray,
    copies: np.ndarray,
) -> int:
    """Sum gradients by category.

    Parameters
    ----------
    indices : array of shape (m,), int32
        Feature indices of a batch, within ``[low, high)``.
    r : array of shape (m,), float32
        Gradients of the rows.
    sums : array of shape (4, MOST_CATEGORIES), float32
        Work space.
    touched : array of shape (>= MOST_CATEGORIES,), uint32
        Output: feature indices whose gradient is not 0.
    copies : array of shape (7, >= MOST_CATEGORIES), float64
        Output: their gradients, see `scalable.kernels.linear.adaptive_optimizers`.

    Returns
    -------
    int
        How many.
    """
    for a in range(SUMS):
        for k in range(high - low):
            sums[a, k] = np.float32(0.0)
    whole = indices.size // SUMS * SUMS
    for i in range(0, whole, SUMS):
        for a in range(SUMS):
            sums[a, np.uint32(indices[i + a] - low)] += r[i + a]
    for i in range(whole, indices.size):
        sums[0, np.uint32(indices[i] - low)] += r[i]
    n = 0
    for k in range(high - low):
        g = (sums[0, k] + sums[1, k]) + (sums[2, k] + sums[3, k])
        touched[n] = low + k
        copies[G, n] = g
        n += 1 if g != np.float32(0.0) else 0
    return n
