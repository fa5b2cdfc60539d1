"""One step of expectation and maximisation over rows: densities, probabilities, and the sums they weigh."""

from __future__ import annotations

import numpy as np

from scalable.kernels.copying import copy_values
from scalable.kernels.elementary import exp
from scalable.kernels.jit import kernel

TOGETHER = 128  # rows that are whitened together: all columns of them stay in the nearest cache


@kernel(fastmath=True, inline=True)
def _shift(columns: np.ndarray, start: int, m: int, mean: np.ndarray, out: np.ndarray) -> None:
    for j in range(mean.size):
        values = columns[j, start : start + m]
        row = out[j]
        middle = mean[j]
        for i in range(m):
            row[i] = values[i] - middle


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
        found += most[i] + np.log(total[i])
        total[i] = 1.0 / total[i]
    for k in range(logs.shape[0]):
        row = logs[k]
        for i in range(m):
            row[i] *= total[i]
    return found


@kernel(fastmath=True, inline=True)
def _whiten_four(factors: np.ndarray, rows: np.ndarray, a: int, m: int, out: np.ndarray) -> None:
    """Write four rows, from `a` on, of a lower triangle times `rows`; two columns of it at a time."""
    out0, out1, out2, out3 = out[0], out[1], out[2], out[3]
    for i in range(m):
        out0[i] = out1[i] = out2[i] = out3[i] = 0.0
    for b in range(0, a + 4, 2):
        x, y = rows[b], rows[b + 1]
        f0, f1, f2, f3 = factors[a, b], factors[a + 1, b], factors[a + 2, b], factors[a + 3, b]
        g0, g1, g2, g3 = (
            factors[a, b + 1],
            factors[a + 1, b + 1],
            factors[a + 2, b + 1],
            factors[a + 3, b + 1],
        )
        for i in range(m):
            out0[i] += f0 * x[i] + g0 * y[i]
            out1[i] += f1 * x[i] + g1 * y[i]
            out2[i] += f2 * x[i] + g2 * y[i]
            out3[i] += f3 * x[i] + g3 * y[i]


@kernel(fastmath=True, inline=True)
def _multiply_four(four: np.ndarray, rows: np.ndarray, a: int, m: int, out: np.ndarray) -> None:
    """Add the products of four rows, which stand from `a` on, with all rows before and of them, two at a time."""
    z0, z1, z2, z3 = four[0], four[1], four[2], four[3]
    for b in range(0, a + 4, 2):
        x, y = rows[b], rows[b + 1]
        s0 = s1 = s2 = s3 = t0 = t1 = t2 = t3 = 0.0
        for i in range(m):
            s0 += z0[i] * x[i]
            s1 += z1[i] * x[i]
            s2 += z2[i] * x[i]
            s3 += z3[i] * x[i]
            t0 += z0[i] * y[i]
            t1 += z1[i] * y[i]
            t2 += z2[i] * y[i]
            t3 += z3[i] * y[i]
        out[a, b] += s0
        out[a + 1, b] += s1
        out[a + 2, b] += s2
        out[a + 3, b] += s3
        out[a, b + 1] += t0
        out[a + 1, b + 1] += t1
        out[a + 2, b + 1] += t2
        out[a + 3, b + 1] += t3


@kernel(fastmath=True)
def expect(
    columns: np.ndarray, means: np.ndarray, whiten: np.ndarray, offset: np.ndarray, counts: np.ndarray,
    first: np.ndarray, second: np.ndarray,
) -> float:  # fmt: skip
    """Add rows to the sums of a step, with a covariance matrix a component.

    Parameters
    ----------
    columns : float64 array of shape (p, n_rows)
        Rows, none of them missing a value.
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
        Log likelihood of the rows.
    """
    n_components, p = means.shape
    padded = (p + 3) // 4 * 4  # rows of zeros are added, so that four are worked on together
    apart = np.zeros((padded, TOGETHER))
    z = np.zeros((4, TOGETHER))
    logs = np.empty((n_components, TOGETHER))
    factors = np.zeros((n_components, padded, padded))
    for k in range(n_components):
        for i in range(p):
            copy_values(whiten[k, i], factors[k, i, :p])
    sums = np.zeros((n_components, padded, padded))
    found = 0.0
    for start in range(0, columns.shape[1], TOGETHER):
        m = min(TOGETHER, columns.shape[1] - start)
        for k in range(n_components):
            _shift(columns, start, m, means[k], apart)
            log = logs[k]
            for i in range(m):
                log[i] = offset[k]
            for a in range(0, padded, 4):
                _whiten_four(factors[k], apart, a, m, z)
                for i in range(m):
                    log[i] -= 0.5 * (
                        z[0, i] * z[0, i] + z[1, i] * z[1, i] + z[2, i] * z[2, i] + z[3, i] * z[3, i]
                    )
        found += _log_sum(logs, m, z[0], z[1])
        for k in range(n_components):
            _shift(columns, start, m, means[k], apart)
            share = logs[k]
            total = 0.0
            for i in range(m):
                total += share[i]
            counts[k] += total
            for a in range(0, padded, 4):
                for c in range(4):
                    row, weighted = apart[a + c], z[c]
                    total = 0.0
                    for i in range(m):
                        weighted[i] = share[i] * row[i]
                        total += weighted[i]
                    if a + c < p:
                        first[k, a + c] += total
                _multiply_four(z, apart, a, m, sums[k])
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
