"""Weighted gradients and curvatures of a loss over the rows of a batch or a block."""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.elementary import exp, exp_negative, log1p_unit_single
from scalable.kernels.jit import kernel
from scalable.kernels.linear.losses import LOSSES, log_loss, majorant, triple

STEEPEST = 1e12  # of a row in single precision: its square, summed over any data, stays a float32

# These have loops of their own.
LOG, SQUARED = LOSSES["log_loss"].code, LOSSES["squared_error"].code
HINGE, SQUARED_HINGE = LOSSES["hinge"].code, LOSSES["squared_hinge"].code


@kernel(inline=True, fastmath=True)
def _gradients(
    code: int, delta: float, z: np.ndarray, y: np.ndarray, weight: np.ndarray, gradient: np.ndarray
) -> Any:
    total = 0.0
    for i in range(z.size):
        value, slope, _ = triple(code, delta, np.float64(z[i]), y[i])
        gradient[i] = min(max(weight[i] * slope, -STEEPEST), STEEPEST)
        total += weight[i] * value
    return total


@kernel(inline=True, fastmath=True)
def _log_gradients(z: np.ndarray, y: np.ndarray, weight: np.ndarray, gradient: np.ndarray) -> Any:
    """Fill the logistic loss in single precision: eight rows at once, for the hot loop of SGD."""
    one = np.float32(1.0)
    zero = np.float32(0.0)
    total = zero
    for i in range(z.size):
        score = z[i]
        target = y[i]
        e = exp_negative(-abs(score))
        inverse = one / (one + e)
        p = inverse if score >= zero else e * inverse
        gradient[i] = weight[i] * (p - target)
        total += weight[i] * (max(score, zero) - target * score + log1p_unit_single(e))
    return np.float64(total)


@kernel(fastmath=True)
def log_gradients(z: np.ndarray, y: np.ndarray, weight: np.ndarray, gradient: np.ndarray) -> Any:
    """Do `gradients` for the logistic loss, in a tenth of the time to compile."""
    return _log_gradients(z, y, weight, gradient)


@kernel(fastmath=True)
def gradients(
    code: int, delta: float, z: np.ndarray, y: np.ndarray, weight: np.ndarray, gradient: np.ndarray
) -> Any:
    """Compute the weighted gradients of a loss and return the weighted sum of its values.

    Parameters
    ----------
    code : int
        Number of the loss (``LOSSES[name].code``).
    delta : float
        Parameter of the losses that have one.
    z, y, weight : arrays of shape (n,), float32
        Linear predictors, targets and weights; n is a batch, so single precision suffices for sums.
    gradient : array of shape (n,), float32
        Output: weight times derivative with respect to z.
    """
    # A constant code leaves a loop without branches, which vectorises; the rarer losses share one loop.
    if code == LOG:
        return _log_gradients(z, y, weight, gradient)
    if code == SQUARED:
        return _gradients(SQUARED, delta, z, y, weight, gradient)
    if code == HINGE:
        return _gradients(HINGE, delta, z, y, weight, gradient)
    if code == SQUARED_HINGE:
        return _gradients(SQUARED_HINGE, delta, z, y, weight, gradient)
    return _gradients(code, delta, z, y, weight, gradient)


def curvatures(
    code: int,
    delta: float,
    z: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    gradient: np.ndarray,
    curvature: np.ndarray,
) -> Any:
    """Like `gradients`, and fill the weighted second derivatives of a smooth loss too."""
    # A kernel for the most frequent loss: all losses in one take four times as long to compile.
    if code == LOG:
        return log_curvatures(delta, z, y, weight, gradient, curvature)
    return other_curvatures(code, delta, z, y, weight, gradient, curvature)


@kernel(fastmath=True)
def log_curvatures(
    delta: float,
    z: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    gradient: np.ndarray,
    curvature: np.ndarray,
) -> Any:
    """Do `curvatures` for the logistic loss."""
    total = 0.0
    for i in range(z.size):
        value, slope, bend = log_loss(np.float64(z[i]), y[i], delta)
        gradient[i] = weight[i] * slope
        curvature[i] = weight[i] * bend
        total += weight[i] * value
    return total


@kernel(fastmath=True)
def other_curvatures(
    code: int,
    delta: float,
    z: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    gradient: np.ndarray,
    curvature: np.ndarray,
) -> Any:
    """Do `curvatures` for any loss."""
    total = 0.0
    for i in range(z.size):
        value, slope, bend = triple(code, delta, np.float64(z[i]), y[i])
        gradient[i] = weight[i] * slope
        curvature[i] = weight[i] * bend
        total += weight[i] * value
    return total


@kernel(fastmath=True)
def majorants(
    code: int,
    delta: float,
    z: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    gradient: np.ndarray,
    curvature: np.ndarray,
) -> Any:
    """Like `curvatures`, with those of the majorant of a loss that has one."""
    total = 0.0
    for i in range(z.size):
        value, slope, bend = majorant(code, delta, np.float64(z[i]), y[i])
        gradient[i] = weight[i] * slope
        curvature[i] = weight[i] * bend
        total += weight[i] * value
    return total


@kernel(fastmath=True)
def softmax_gradients(k: int, z: np.ndarray, y: np.ndarray, weight: np.ndarray, gradient: np.ndarray) -> Any:
    """Compute the gradients of the multinomial logistic loss over `k` classes.

    Parameters
    ----------
    z : array of shape (>= k, >= n)
        Linear predictors.
    y, weight : arrays of shape (n,)
        Class indices 0..k-1 and weights.
    gradient : array of shape (>= k, >= n)
        Output: weight times (probability - 1{class}).

    Returns
    -------
    float
        Weighted sum of the losses ``logsumexp(z) - z[y]``.
    """
    total = 0.0
    for i in range(y.size):
        peak = np.float64(z[0, i])
        for c in range(1, k):
            peak = max(peak, np.float64(z[c, i]))
        mass = 0.0
        for c in range(k):
            e = exp(z[c, i] - peak)
            gradient[c, i] = e
            mass += e
        truth = int(y[i])
        scale = weight[i] / mass
        for c in range(k):
            gradient[c, i] *= scale
        gradient[truth, i] -= weight[i]
        total += weight[i] * (np.log(mass) + peak - z[truth, i])
    return total
