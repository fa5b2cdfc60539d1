"""Gradient and hessian of each row's loss with respect to its score, as LightGBM defines them, a strip at a time.

Exponentials are the project's own and nothing is reassociated, so that every processor gives the same bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.elementary import exp
from scalable.kernels.jit import kernel

STRIP = 256  # rows; the two strips of float64 stay in the nearest cache
GIVEN, BINARY, CROSS_ENTROPY, L2, HUBER, L1, QUANTILE, FAIR, POISSON, GAMMA, TWEEDIE = range(11)

# `shape` is the objective's own parameter: sigmoid, alpha, fair_c, poisson_max_delta_step or tweedie_variance_power.
# `positive` and `negative` weigh the rows of a binary objective's two classes; `amplify` those that GOSS drew.
OBJECTIVE = np.dtype(
    [("code", "i8"), ("shape", "f8"), ("positive", "f8"), ("negative", "f8"), ("amplify", "f8")]
)


@kernel()
def gradients(
    objective: np.ndarray,
    score: np.ndarray,
    label: np.ndarray,
    weight: np.ndarray,
    sampled: np.ndarray,
    given: np.ndarray,
    start: int,
    n: int,
    g: np.ndarray,
    h: np.ndarray,
) -> None:
    """Write the gradients and hessians of rows [start, start + n) into `g` and `h`.

    Parameters
    ----------
    objective : record array (1,) of `OBJECTIVE`
    score : float64 array (n_rows,)
    label : float32 array (n_rows,)
    weight : float32 array (n_rows,) or (0,)
        Of shape (0,) where all rows weigh 1.
    sampled : uint8 array (n_rows,) or (0,)
        2 for rows whose gradients are multiplied by ``amplify``.
    given : float32 array (2, n_rows) or (2, 0)
        Gradients and hessians that were computed elsewhere, for `GIVEN`; weights are in them already.
    start, n : int
        Which rows; n at most `STRIP`.
    g, h : float64 array (STRIP,)
    """
    code, shape = objective[0].code, objective[0].shape
    # Slices that begin at 0: of a sum of two signed numbers Numba would ask whether it counts from the end, and LLVM
    # would take rows one by one, three times as long.
    score, label = score[start : start + n], label[start : start + n]
    if code == GIVEN:
        first, second = given[0, start : start + n], given[1, start : start + n]
        for i in range(n):
            g[i] = first[i]
            h[i] = second[i]
    elif code == BINARY:
        positive, negative = objective[0].positive, objective[0].negative
        for i in range(n):
            p = 1.0 / (1.0 + exp(-shape * score[i]))
            y = label[i] > 0
            w = positive if y else negative
            g[i] = shape * (p - (1.0 if y else 0.0)) * w
            h[i] = shape * shape * p * (1.0 - p) * w
    elif code == CROSS_ENTROPY:
        for i in range(n):
            p = 1.0 / (1.0 + exp(-score[i]))
            g[i] = p - label[i]
            h[i] = p * (1.0 - p)
    elif code == POISSON:
        growth = exp(shape)
        for i in range(n):
            mean = exp(score[i])
            g[i] = mean - label[i]
            h[i] = mean * growth
    elif code == GAMMA:
        for i in range(n):
            ratio = label[i] * exp(-score[i])
            g[i] = 1.0 - ratio
            h[i] = ratio
    elif code == TWEEDIE:
        low, high = 1.0 - shape, 2.0 - shape
        for i in range(n):
            a = label[i] * exp(low * score[i])
            b = exp(high * score[i])
            g[i] = b - a
            h[i] = high * b - low * a
    else:
        for i in range(n):
            g[i] = score[i] - label[i]
            h[i] = 1.0
        _robust(code, shape, n, g, h)
    if code != GIVEN and weight.shape[0]:
        weight = weight[start : start + n]
        for i in range(n):
            g[i] *= weight[i]
            h[i] *= weight[i]
    if sampled.shape[0]:
        amplify, drawn = objective[0].amplify, sampled[start : start + n]
        for i in range(n):
            factor = amplify if drawn[i] == 2 else 1.0
            g[i] *= factor
            h[i] *= factor


@kernel(inline=True)
def _robust(code: int, shape: float, n: int, g: np.ndarray, h: np.ndarray) -> None:
    """Turn residuals into the gradients of losses other than the square."""
    if code == HUBER:
        for i in range(n):
            g[i] = min(max(g[i], -shape), shape)
    elif code == L1:
        for i in range(n):
            g[i] = 1.0 if g[i] > 0 else (-1.0 if g[i] < 0 else 0.0)
    elif code == QUANTILE:
        for i in range(n):
            g[i] = 1.0 - shape if g[i] >= 0 else -shape
    elif code == FAIR:
        for i in range(n):
            width = abs(g[i]) + shape
            h[i] = shape * shape / (width * width)
            g[i] = shape * g[i] / width


@kernel()
def softmax_gradients(score: np.ndarray, label: np.ndarray, weight: np.ndarray, given: np.ndarray) -> None:
    """Write the multiclass gradients of all rows.

    Parameters
    ----------
    score : float64 array (n_classes, n_rows)
    label : float32 array (n_rows,)
        Class indices.
    weight : float32 array (n_rows,) or (0,)
    given : float32 array (n_classes, 2, n_rows)
        Gradients and hessians, written.
    """
    n_classes, n_rows = score.shape
    factor = n_classes / (n_classes - 1.0)
    top, total = np.empty(STRIP), np.empty(STRIP)
    p, ones = np.empty((n_classes, STRIP)), np.ones(STRIP, np.float32)
    for start in range(0, n_rows, STRIP):
        n = min(STRIP, n_rows - start)
        top[:] = -np.inf
        total[:] = 0.0
        for k in range(n_classes):
            own = score[k, start : start + n]
            for i in range(n):
                top[i] = max(top[i], own[i])
        for k in range(n_classes):
            own, odds = score[k, start : start + n], p[k]
            for i in range(n):
                odds[i] = exp(own[i] - top[i])
                total[i] += odds[i]
        y = label[start : start + n]
        w = weight[start : start + n] if weight.shape[0] else ones
        for k in range(n_classes):
            g, h, odds = given[k, 0, start : start + n], given[k, 1, start : start + n], p[k]
            for i in range(n):
                q = odds[i] / total[i]
                g[i] = (q - (1.0 if y[i] == k else 0.0)) * w[i]
                h[i] = factor * q * (1.0 - q) * w[i]


@kernel()
def extremes(
    objective: np.ndarray,
    score: np.ndarray,
    label: np.ndarray,
    weight: np.ndarray,
    sampled: np.ndarray,
    given: np.ndarray,
    enough: np.ndarray,
) -> Any:
    """Return the largest size of a gradient and the largest hessian; NaN where any is not finite.

    A negative hessian gives NaN too.

    Parameters
    ----------
    objective, score, label, weight, sampled, given
        As for `gradients`.
    enough : float64 array (2,)
        Rows are looked at until both are larger than this; none is passed over where that is infinity.
    """
    g, h = np.empty(STRIP), np.empty(STRIP)
    bits, limits = (g.view(np.int64), h.view(np.int64)), enough.view(np.int64)
    sign = np.int64(2**63 - 1)
    most_g = most_h = np.int64(0)
    negative = np.int64(0)
    n_rows = label.shape[0]
    for start in range(0, n_rows, STRIP):
        n = min(STRIP, n_rows - start)
        gradients(objective, score, label, weight, sampled, given, start, n, g, h)
        for i in range(n):  # floats above 0 are ordered as their bits are, and integers vectorise
            most_g = max(most_g, bits[0][i] & sign)
            most_h = max(most_h, bits[1][i] & sign)
            negative |= bits[1][i] if h[i] != 0.0 else 0
        if most_g > limits[0] and most_h > limits[1]:
            break
    bits[0][0], bits[1][0] = most_g, most_h
    finite = np.isfinite(g[0]) and np.isfinite(h[0]) and negative >= 0
    return (g[0], h[0]) if finite else (np.nan, np.nan)
