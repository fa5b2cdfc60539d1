"""Weighted second moments of rows with dense columns and categories: the pieces of a Gram matrix.

BLAS takes three times as long for so few columns and so many rows. A row has few categories, so their part costs one
addition per category and column instead of a product over all of them.
"""

from __future__ import annotations

import numpy as np
from numba import carray

from scalable.kernels.jit import kernel
from scalable.kernels.memory import as_pointer

CHUNK = 1024  # rows a call of the kernels below: of 28 columns, they stay in the second-level cache
FOUR = 4  # rows of each side, whose products stay in registers
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
def add_products(x: np.ndarray, n: int, m: int, out: np.ndarray) -> None:
    """Add the products of `n` rows, each of `m` values, with each other to ``out[:n, :n]``.

    Four rows meet four: sixteen sums stay in registers, where each value loaded is multiplied four times.

    Parameters
    ----------
    x : array of shape (>= n, >= m), float32 or float64
        Rows of zeros up to a multiple of `FOUR` of them.
    out : float64 array of shape (>= n, >= n)
        Updated; sums over a call have the precision of `x`.
    """
    zero = x.dtype.type(0)
    sums = np.empty((FOUR, FOUR), x.dtype)
    for a in range(0, n, FOUR):
        a0, a1, a2, a3 = x[a, :m], x[a + 1, :m], x[a + 2, :m], x[a + 3, :m]
        for b in range(a, n, FOUR):
            b0, b1, b2, b3 = x[b, :m], x[b + 1, :m], x[b + 2, :m], x[b + 3, :m]
            s00 = s01 = s02 = s03 = s10 = s11 = s12 = s13 = zero
            s20 = s21 = s22 = s23 = s30 = s31 = s32 = s33 = zero
            for i in range(m):
                s00 += a0[i] * b0[i]
                s01 += a0[i] * b1[i]
                s02 += a0[i] * b2[i]
                s03 += a0[i] * b3[i]
                s10 += a1[i] * b0[i]
                s11 += a1[i] * b1[i]
                s12 += a1[i] * b2[i]
                s13 += a1[i] * b3[i]
                s20 += a2[i] * b0[i]
                s21 += a2[i] * b1[i]
                s22 += a2[i] * b2[i]
                s23 += a2[i] * b3[i]
                s30 += a3[i] * b0[i]
                s31 += a3[i] * b1[i]
                s32 += a3[i] * b2[i]
                s33 += a3[i] * b3[i]
            sums[0, 0], sums[0, 1], sums[0, 2], sums[0, 3] = s00, s01, s02, s03
            sums[1, 0], sums[1, 1], sums[1, 2], sums[1, 3] = s10, s11, s12, s13
            sums[2, 0], sums[2, 1], sums[2, 2], sums[2, 3] = s20, s21, s22, s23
            sums[3, 0], sums[3, 1], sums[3, 2], sums[3, 3] = s30, s31, s32, s33
            for j in range(min(FOUR, n - a)):
                for k in range(min(FOUR, n - b)):
                    out[a + j, b + k] += sums[j, k]
                    if b > a:
                        out[b + k, a + j] += sums[j, k]


@kernel(fastmath=True)
def add_weighted_products(
    columns: np.ndarray, start: int, weight: np.ndarray, scaled: np.ndarray, out: np.ndarray
) -> None:
    """Add the weighted Gram matrix of ``[columns; 1]`` over up to `CHUNK` rows from row `start` on.

    Parameters
    ----------
    columns : array of shape (n_columns, n_rows)
        Dense features.
    weight : float64 array of shape (m,)
        Non-negative weights.
    scaled : array of shape `scaled_shape`, dtype of `columns`
        Work space.
    out : float64 array of shape (>= n_columns + 1, >= n_columns + 1)
        Updated; sums over a call have the precision of `columns`.
    """
    n = columns.shape[0]
    m = weight.size
    root = scaled[scaled.shape[0] - 1]
    total = 0.0
    for i in range(m):
        root[i] = np.sqrt(weight[i])
        total += weight[i]
    out[n, n] += total
    for j in range(n):
        x = columns[j, start : start + m]
        row = scaled[j]
        share = columns.dtype.type(0)
        for i in range(m):
            row[i] = x[i] * root[i]
            share += row[i] * root[i]
        out[j, n] += share
        out[n, j] += share
    for j in range(n, scaled.shape[0] - 1):
        scaled[j, :m] = 0.0
    add_products(scaled, n, m, out)


def scaled_shape(n_columns: int) -> tuple[int, int]:
    """Return the shape of the work space of `add_weighted_products`; its rows fall into different cache sets."""
    return -(-n_columns // FOUR) * FOUR + 1, CHUNK + 16


@kernel(fastmath=True)
def add_gram(columns: np.ndarray, weight: np.ndarray, scaled: np.ndarray, out: np.ndarray) -> None:
    """Add the weighted Gram matrix of ``[columns; 1]`` over all rows; see `add_weighted_products`."""
    for start in range(0, weight.size, CHUNK):
        add_weighted_products(columns, start, weight[start : start + CHUNK], scaled, out)


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
def add_dense_gradient(columns: np.ndarray, start: int, r: np.ndarray, out: np.ndarray) -> None:
    """Add ``[columns[:, start:start + r.size]; 1] @ r`` to `out`, shape (>= n_columns + 1,), all sums in float64."""
    n = columns.shape[0]
    for j in range(n):
        x = columns[j, start : start + r.size]
        total = 0.0
        for i in range(r.size):
            total += r[i] * x[i]
        out[j] += total
    total = 0.0
    for i in range(r.size):
        total += r[i]
    out[n] += total


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
    add_dense_gradient(columns, 0, r, out)
    by_index = out[n_columns + 1 :]
    for h in range(ids.shape[0]):
        indices = ids[h]
        for i in range(n_rows):
            by_index[np.uint32(indices[i])] += r[i]
