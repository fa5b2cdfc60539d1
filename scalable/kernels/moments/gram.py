"""Weighted second moments of rows with dense columns and categories: the pieces of a Gram matrix.

The dense part is left to BLAS. A row has few categories, so their part costs one addition per category and
column instead of a product over all of them.
"""

from __future__ import annotations

import numpy as np
from numba import carray

from scalable.kernels.jit import kernel
from scalable.kernels.memory import as_pointer

TURNED = 128  # rows turned at once: they stay in the nearest cache


@kernel(fastmath=True)
def summarize(x: np.ndarray, out: np.ndarray) -> None:
    """Write what a profile needs of the finite values of a column, in two sweeps.

    Parameters
    ----------
    x : array of shape (n,), float32 or float64
        Values.
    out : float64 array of shape (6,)
        Output: number of finite values, number of NaN, mean, sum of squared deviations, minimum, maximum.
    """
    total = 0.0
    low = np.inf
    high = -np.inf
    n = 0
    missing = 0
    pivot = 0.0  # sums of differences keep the digits of columns far from zero
    for i in range(x.size):
        if np.float64(x[i]) - np.float64(x[i]) == 0.0:
            pivot = np.float64(x[i])
            break
    for i in range(x.size):
        value = np.float64(x[i])
        finite = value - value == 0.0
        n += 1 if finite else 0
        missing += 1 if np.isnan(value) else 0
        total += value - pivot if finite else 0.0
        low = min(low, value) if finite else low
        high = max(high, value) if finite else high
    mean = pivot + total / n if n else 0.0
    squares = 0.0
    left = 0.0
    for i in range(x.size):
        value = np.float64(x[i])
        gap = value - mean if value - value == 0.0 else 0.0
        squares += gap * gap
        left += gap
    if n:
        mean += left / n
        squares = max(squares - left * left / n, 0.0)
    out[0], out[1], out[2], out[3], out[4], out[5] = n, missing, mean, squares, low, high


@kernel(inline=True, fastmath=True)
def _summarize_finite(x: np.ndarray, bits: np.ndarray, out: np.ndarray) -> bool:
    """Do `summarize` for float32 values, all finite, an eighth of the time; False where one is not."""
    pivot = np.float64(x[0])
    total = 0.0
    zero = np.float32(0.0)
    trouble = zero  # stays zero unless a value is NaN or infinite
    # The bits as integers of the same order: smallest and largest go by vectors.
    places = np.int32(0x7FFFFFFF)
    low, high = places, ~places
    for i in range(x.size):
        trouble += x[i] * zero
        total += np.float64(x[i]) - pivot
        ordered = bits[i] ^ ((bits[i] >> np.int32(31)) & places)
        low = min(low, ordered)
        high = max(high, ordered)
    if trouble != zero:
        return False
    mean = pivot + total / x.size
    squares = 0.0
    left = 0.0
    for i in range(x.size):
        gap = np.float64(x[i]) - mean
        squares += gap * gap
        left += gap
    smallest = np.int32(low ^ ((low >> np.int32(31)) & places)).view(np.float32)
    largest = np.int32(high ^ ((high >> np.int32(31)) & places)).view(np.float32)
    out[0], out[1], out[2] = x.size, 0, mean + left / x.size
    out[3], out[4], out[5] = max(squares - left * left / x.size, 0.0), smallest, largest
    return True


@kernel()
def summarize_columns(addresses: np.ndarray, n: int, out: np.ndarray) -> None:
    """Do `summarize` for the `n` float32 values at each of the addresses, a row of `out` for each; one at least."""
    for j in range(addresses.size):
        place = as_pointer(np.uintp(addresses[j]))
        x = carray(place, (n,), np.float32)
        if not _summarize_finite(x, carray(place, (n,), np.int32), out[j]):
            summarize(x, out[j])


@kernel(fastmath=True)
def weighted_rows(columns: np.ndarray, start: int, weight: np.ndarray, out: np.ndarray) -> None:
    """Write ``columns[:, start:start + m] * sqrt(weight)`` and, as last row, ``sqrt(weight)``.

    Parameters
    ----------
    columns : array of shape (n_columns, n_rows)
        Dense features.
    start : int
        First row.
    weight : array of shape (m,), float64
        Non-negative weights.
    out : array of shape (n_columns + 1, m), dtype of `columns`
        Output; its product with its own transpose is the weighted Gram matrix with intercept.
    """
    n = columns.shape[0]
    m = weight.size
    root = out[n]
    for i in range(m):
        root[i] = np.sqrt(weight[i])
    for j in range(n):
        x = columns[j, start : start + m]
        row = out[j]
        for i in range(m):
            row[i] = x[i] * root[i]


@kernel(fastmath=True)
def add_category_moments(
    columns: np.ndarray, ids: np.ndarray, weight: np.ndarray, cross: np.ndarray, square: np.ndarray
) -> None:
    """Add the moments between categories and dense columns, and among categories.

    Rows are turned a few at a time, so that what a row adds to one of its categories is one contiguous sum.

    Parameters
    ----------
    columns : array of shape (n_columns, n_rows)
        Dense features.
    ids : array of shape (n_features, n_rows), int32
        Feature indices.
    weight : array of shape (n_rows,), float64
        Weights.
    cross : array of shape (n_indices, n_columns + 1), float64
        Updated; its last column belongs to the intercept.
    square : array of shape (n_indices, n_indices), float64
        Updated: the diagonal, and every pair of indices once, at either of its two places.
    """
    n_columns, n_rows = columns.shape
    n_ids = ids.shape[0]
    turned = np.empty((TURNED, n_columns + 1))
    for start in range(0, n_rows, TURNED):
        m = min(TURNED, n_rows - start)
        for j in range(n_columns):
            x = columns[j, start : start + m]
            for i in range(m):
                turned[i, j] = weight[start + i] * x[i]
        for i in range(m):
            turned[i, n_columns] = weight[start + i]
        for h in range(n_ids):
            for i in range(m):
                index = np.uint32(ids[h, start + i])
                row = cross[index]
                values = turned[i]
                for j in range(n_columns + 1):
                    row[j] += values[j]
                w = values[n_columns]
                square[index, index] += w
                for other in range(h):
                    partner = np.uint32(ids[other, start + i])
                    square[index, partner] += w if partner != index else 2.0 * w


@kernel(fastmath=True)
def add_gradient(columns: np.ndarray, ids: np.ndarray, r: np.ndarray, out: np.ndarray) -> None:
    """Add ``[columns; 1; categories] @ r`` to `out`, all sums in float64.

    Parameters
    ----------
    columns : array of shape (n_columns, n_rows)
        Dense features.
    ids : array of shape (n_features, n_rows), int32
        Feature indices.
    r : array of shape (n_rows,), float64
        Weighted residuals.
    out : array of shape (n_columns + 1 + n_indices,), float64
        Updated.
    """
    n_columns, n_rows = columns.shape
    for j in range(n_columns):
        x = columns[j]
        total = 0.0
        for i in range(n_rows):
            total += r[i] * x[i]
        out[j] += total
    total = 0.0
    for i in range(n_rows):
        total += r[i]
    out[n_columns] += total
    by_index = out[n_columns + 1 :]
    for h in range(ids.shape[0]):
        indices = ids[h]
        for i in range(n_rows):
            by_index[np.uint32(indices[i])] += r[i]
