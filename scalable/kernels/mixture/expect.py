"""One step of expectation and maximisation over rows: densities, probabilities, and the sums they weigh.

With a matrix a component a row costs, for each, about p^2 / 2 multiply-adds to be whitened, as many for its products:
in 28 columns and 8 components 6,500 at the least, and some 8,000 in whole vectors. A tile of `TOGETHER` rows stays in
the nearest cache twice: by columns, where rows are side by side in vectors, and by rows, where columns are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from scalable.kernels import register_tiles
from scalable.kernels.elementary import exp, log
from scalable.kernels.jit import kernel
from scalable.kernels.memory import as_pointer
from scalable.kernels.register_tiles import (
    add_products,
    less_half_squares,
    place_of,
    rows_apart,
)
from scalable.kernels.vectors import LANES

TOGETHER = 64  # rows
MOST, FOUR = register_tiles.MOST, register_tiles.FOUR
LEAST_SHARE = 1e-30  # of a row: less adds nothing even to an empty component, whose count is 2e-15


@kernel(inline=True)
def _zeros(n: int) -> np.ndarray:
    """Return so many doubles that begin on a cache line."""
    memory = np.zeros(n + LANES)
    skip = (64 - np.int64(memory.ctypes.data) % 64) % 64 // 8
    return memory[skip : skip + n]


@kernel(fastmath=True, inline=True)
def _shifted(x: np.ndarray, middle: float, out: np.ndarray) -> Any:
    """Write values less `middle`; return zero, or NaN where one is not finite."""
    trouble = 0.0
    for i in range(x.size):
        apart = np.float64(x[i]) - middle
        out[i] = apart
        trouble += apart * 0.0
    return trouble


@kernel(fastmath=True, inline=True)
def _log_sum(logs: np.ndarray, m: int, most: np.ndarray, total: np.ndarray) -> float:
    """Turn logarithms (k, m) of what is proportional to probabilities into these; return the sum of the log sums."""
    for i in range(m):
        most[i] = logs[0, i]
        total[i] = 0.0
    for k in range(1, logs.shape[0]):
        for i in range(m):
            most[i] = max(most[i], logs[k, i])
    for k in range(logs.shape[0]):
        row = logs[k]
        for i in range(m):
            row[i] = exp(row[i] - most[i])
            total[i] += row[i]
    found = 0.0
    for i in range(m):
        found += most[i] + log(total[i])
        total[i] = 1.0 / total[i]
    for k in range(logs.shape[0]):
        row = logs[k]
        for i in range(m):
            row[i] *= total[i]
    return found


@kernel(fastmath=True, inline=True)
def _roots(share: np.ndarray, m: int, roots: np.ndarray) -> Any:
    """Write the roots of shares; return their sum."""
    total = 0.0
    for i in range(m):
        total += share[i]
        roots[i] = np.sqrt(share[i])
    return total


@kernel()
def _add_rows(
    by_row: np.ndarray, which: np.ndarray, roots: np.ndarray, n: int, mean: np.ndarray, apart: np.ndarray,
    first: np.ndarray, sums: np.ndarray,
) -> None:  # fmt: skip
    """Add `n` rows, by the squares of `roots`, to the sums of a component: of rows less `mean`, and of products."""
    wide = by_row.shape[1]
    step = np.uintp(8 * wide)
    vectors = wide // LANES
    v = 0
    while v < vectors:
        at = LANES * v
        to, x, middle, total = (
            place_of(apart, at),
            place_of(by_row, at),
            place_of(mean, at),
            place_of(first, at),
        )
        chosen, weights = place_of(which, 0), place_of(roots, 0)
        left = min(vectors - v, MOST)
        count = 4 if left >= 4 else 2 if left >= 2 else 1
        rows_apart(count, to, x, step, chosen, weights, middle, total, n)
        v += count
    for a in range(0, sums.shape[0], FOUR):
        needed = a // LANES + 1  # the lower triangle
        for v in range(0, needed, MOST):
            out, one, other = (
                place_of(sums, a * wide + LANES * v),
                place_of(apart, a),
                place_of(apart, LANES * v),
            )
            add_products(min(needed - v, MOST), out, step, one, other, step, n)


@kernel(fastmath=True)
def _packed(
    whiten: np.ndarray, means: np.ndarray, centre: np.ndarray, factors: np.ndarray, starts: np.ndarray
) -> None:
    """Write triangles as `less_half_squares` takes them, four rows after four, and their products with the means."""
    p = centre.size
    for k in range(whiten.shape[0]):
        at = 0
        for low in range(0, p, FOUR):
            for b in range(low + FOUR):
                for a in range(low, low + FOUR):
                    if a < p and b <= a:
                        factors[k, at] = whiten[k, a, b]
                        starts[k, a] -= whiten[k, a, b] * (means[k, b] - centre[b])
                    at += 1


@kernel()
def expect(
    addresses: np.ndarray, width: int, n_rows: int, means: np.ndarray, whiten: np.ndarray, offset: np.ndarray,
    counts: np.ndarray, first: np.ndarray, second: np.ndarray,
) -> float:  # fmt: skip
    """Add rows to the sums of a step, with a covariance matrix a component.

    Parameters
    ----------
    addresses : uint64 array of shape (p,)
        Where the values of each column are.
    width : int
        Their bytes: 4, or 8.
    n_rows : int
    means : float64 array of shape (k, p)
    whiten : float64 array of shape (k, p, p)
        Lower triangles W, with ``W C W^T = 1``.
    offset : float64 array of shape (k,)
        Log weight, log determinant of W and normalisation.
    counts, first : float64 arrays of shape (k,) and (k, p)
        Updated: sums of probabilities, and of rows less the mean.
    second : float64 array of shape (k, p, p)
        Updated, its lower triangles: sums of products of rows less the mean.

    Returns
    -------
    float
        Log likelihood of the rows; NaN where a value is not finite, and then the sums are of no use.
    """
    n_components, p = means.shape
    padded, vectors = (p + FOUR - 1) // FOUR * FOUR, (p + LANES - 1) // LANES
    wide, quarters = vectors * LANES, padded // FOUR
    n_factors = 2 * FOUR * quarters * (quarters + 1)
    centre, middles = np.zeros(p), _zeros(n_components * wide).reshape((n_components, wide))
    for j in range(p):
        for k in range(n_components):
            centre[j] += means[k, j] / n_components
        for k in range(n_components):
            middles[k, j] = means[k, j] - centre[j]
    factors, starts = np.zeros((n_components, n_factors)), np.zeros((n_components, padded))
    _packed(whiten, means, centre, factors, starts)
    by_column = _zeros(padded * TOGETHER).reshape((padded, TOGETHER))
    by_row, apart = _zeros(TOGETHER * wide).reshape((TOGETHER, wide)), _zeros(TOGETHER * wide)
    logs = _zeros(n_components * TOGETHER).reshape((n_components, TOGETHER))
    roots, other = np.zeros(TOGETHER), np.zeros(TOGETHER)
    which = np.zeros(TOGETHER, np.int64)
    firsts = _zeros(n_components * wide).reshape((n_components, wide))
    sums = _zeros(n_components * padded * wide).reshape((n_components, padded, wide))
    found = 0.0
    step = np.uintp(8 * TOGETHER)
    for start in range(0, n_rows, TOGETHER):
        m = min(TOGETHER, n_rows - start)
        trouble = 0.0
        for j in range(p):
            place = as_pointer(np.uintp(np.int64(addresses[j]) + start * width))
            if width == 4:
                trouble += _shifted(carray(place, (m,), np.float32), centre[j], by_column[j])
            else:
                trouble += _shifted(carray(place, (m,), np.float64), centre[j], by_column[j])
        if trouble != 0.0:
            return np.nan
        for i in range(m):
            for j in range(p):
                by_row[i, j] = by_column[j, i]
        for k in range(n_components):
            logs[k, :] = offset[k]
            for low in range(0, m, MOST * LANES):
                for q in range(quarters):
                    log_place = place_of(logs, k * TOGETHER + low)
                    packed = place_of(factors, k * n_factors + 2 * FOUR * q * (q + 1))
                    begin = place_of(starts, k * padded + FOUR * q)
                    x = place_of(by_column, low)
                    less_half_squares(log_place, x, step, packed, begin, FOUR * (q + 1))
        found += _log_sum(logs, m, roots, other)
        for k in range(n_components):
            share = logs[k]
            counts[k] += _roots(share, m, roots)
            n = 0
            for i in range(m):
                which[n], roots[n] = i, roots[i]
                n += 1 if share[i] >= LEAST_SHARE else 0
            _add_rows(by_row, which, roots, n, middles[k], apart, firsts[k], sums[k])
    first += firsts[:, :p]
    second += sums[:, :p, :p]
    return found


@kernel(fastmath=True)
def expect_diagonal(
    columns: np.ndarray, means: np.ndarray, whiten: np.ndarray, offset: np.ndarray, counts: np.ndarray,
    first: np.ndarray, second: np.ndarray,
) -> float:  # fmt: skip
    """Add rows to the sums of a step, with independent columns: see `expect`.

    Parameters
    ----------
    whiten, second : float64 arrays of shape (k, p)
        Reciprocal deviations; sums of squares of rows less the mean.
    """
    n_components, p = means.shape
    logs = np.empty((n_components, TOGETHER))
    most, other = np.empty(TOGETHER), np.empty(TOGETHER)
    found = 0.0
    for start in range(0, columns.shape[1], TOGETHER):
        m = min(TOGETHER, columns.shape[1] - start)
        for k in range(n_components):
            log = logs[k]
            for i in range(m):
                log[i] = offset[k]
            for a in range(p):
                values = columns[a, start : start + m]
                mean, factor = means[k, a], whiten[k, a]
                for i in range(m):
                    z = factor * (values[i] - mean)
                    log[i] -= 0.5 * z * z
        found += _log_sum(logs, m, most, other)
        for k in range(n_components):
            share = logs[k]
            total = 0.0
            for i in range(m):
                total += share[i]
            counts[k] += total
            for a in range(p):
                values = columns[a, start : start + m]
                mean, sums, squares = means[k, a], 0.0, 0.0
                for i in range(m):
                    gap = values[i] - mean
                    sums += share[i] * gap
                    squares += share[i] * gap * gap
                first[k, a] += sums
                second[k, a] += squares
    return found
