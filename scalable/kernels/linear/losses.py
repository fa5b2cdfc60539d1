"""Losses: value, first and second derivative with respect to the linear predictor z.

Targets of classification losses are 0 or 1, of the others real numbers. A loss is one function
``(z, y, delta) -> (value, gradient, curvature)`` with its line in ``triple`` and ``LOSSES``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from scalable.kernels.elementary import LIMIT, exp, exp_negative, log1p_unit, log1p_unit_single
from scalable.kernels.jit import kernel

LOG, HINGE, SQUARED_HINGE, MODIFIED_HUBER, SQUARED, HUBER, QUANTILE, EPSILON, POISSON = range(9)


STEEPEST = 1e12  # of a row in single precision: its square, summed over any data, stays a float32


@dataclass(frozen=True, slots=True)
class Loss:
    """What the learners need to know of a loss.

    Attributes
    ----------
    code : int
        Number by which the kernels choose it.
    classification : bool
        Whether targets are 0 and 1.
    smooth : bool
        Whether the curvature is useful, i.e. Newton's method applies.
    positive : bool
        Whether targets must not be negative.
    """

    code: int
    classification: bool
    smooth: bool
    positive: bool = False


LOSSES = {
    "log_loss": Loss(LOG, True, True),
    "hinge": Loss(HINGE, True, False),
    "squared_hinge": Loss(SQUARED_HINGE, True, True),
    "modified_huber": Loss(MODIFIED_HUBER, True, True),
    "squared_error": Loss(SQUARED, False, True),
    "huber": Loss(HUBER, False, True),
    "quantile": Loss(QUANTILE, False, False),
    "epsilon_insensitive": Loss(EPSILON, False, False),
    "poisson": Loss(POISSON, False, True, positive=True),
}


@kernel(inline=True)
def log_loss(z: float, y: float) -> Any:
    """Logistic loss ``log(1 + exp(z)) - y z``; the gradient is ``p - y``."""
    e = exp(-abs(z))
    inverse = 1.0 / (1.0 + e)
    p = inverse if z >= 0.0 else e * inverse
    return max(z, 0.0) - y * z + log1p_unit(e), p - y, e * inverse * inverse


@kernel(inline=True)
def hinge(z: float, y: float) -> Any:
    """Hinge ``max(0, 1 - s z)`` with s = 2 y - 1."""
    s = 2.0 * y - 1.0
    gap = 1.0 - s * z
    return max(gap, 0.0), -s if gap > 0.0 else 0.0, 0.0


@kernel(inline=True)
def squared_hinge(z: float, y: float) -> Any:
    """Squared hinge ``max(0, 1 - s z)^2`` with s = 2 y - 1."""
    s = 2.0 * y - 1.0
    gap = max(1.0 - s * z, 0.0)
    return gap * gap, -2.0 * s * gap, 2.0 if gap > 0.0 else 0.0


@kernel(inline=True)
def modified_huber(z: float, y: float) -> Any:
    """Squared hinge, continued by ``-4 s z`` where s z < -1 (Zhang, 2004)."""
    s = 2.0 * y - 1.0
    m = s * z
    gap = max(1.0 - m, 0.0)
    linear = m < -1.0
    value = -4.0 * m if linear else gap * gap
    return value, -4.0 * s if linear else -2.0 * s * gap, 2.0 if (m >= -1.0 and m < 1.0) else 0.0


@kernel(inline=True)
def squared_error(z: float, y: float) -> Any:
    """Half squared error."""
    r = z - y
    return 0.5 * r * r, r, 1.0


@kernel(inline=True)
def huber(z: float, y: float, delta: float) -> Any:
    """Half squared error up to `delta`, linear beyond (Huber, 1964)."""
    r = z - y
    clipped = min(max(r, -delta), delta)
    return clipped * (r - 0.5 * clipped), clipped, 1.0 if clipped == r else 0.0


@kernel(inline=True)
def quantile(z: float, y: float, delta: float) -> Any:
    """Pinball loss of the quantile `delta`: ``max(delta (y - z), (delta - 1) (y - z))``."""
    r = y - z
    return max(delta * r, (delta - 1.0) * r), -delta if r > 0.0 else (1.0 - delta if r < 0.0 else 0.0), 0.0


@kernel(inline=True)
def epsilon_insensitive(z: float, y: float, delta: float) -> Any:
    """Absolute error beyond `delta` (Vapnik, 1995)."""
    r = z - y
    gap = abs(r) - delta
    sign = 1.0 if r > 0.0 else -1.0
    return max(gap, 0.0), sign if gap > 0.0 else 0.0, 0.0


@kernel(inline=True)
def poisson(z: float, y: float) -> Any:
    """Half Poisson deviance with a log link, up to a constant: ``exp(z) - y z``."""
    mean = exp(z)
    bounded = min(max(z, -LIMIT), LIMIT)
    return mean - y * bounded, mean - y, mean


@kernel(inline=True)
def triple(code: int, delta: float, z: float, y: float) -> Any:
    """Return value, gradient and curvature of the loss numbered `code`."""
    if code == LOG:
        return log_loss(z, y)
    if code == HINGE:
        return hinge(z, y)
    if code == SQUARED_HINGE:
        return squared_hinge(z, y)
    if code == MODIFIED_HUBER:
        return modified_huber(z, y)
    if code == SQUARED:
        return squared_error(z, y)
    if code == HUBER:
        return huber(z, y, delta)
    if code == QUANTILE:
        return quantile(z, y, delta)
    if code == EPSILON:
        return epsilon_insensitive(z, y, delta)
    return poisson(z, y)


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


@kernel(inline=True, fastmath=True)
def _curvatures(
    code: int,
    delta: float,
    z: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    gradient: np.ndarray,
    curvature: np.ndarray,
) -> Any:
    total = 0.0
    for i in range(z.size):
        value, slope, bend = triple(code, delta, np.float64(z[i]), y[i])
        gradient[i] = weight[i] * slope
        curvature[i] = weight[i] * bend
        total += weight[i] * value
    return total


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


@kernel(fastmath=True)
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
    if code == LOG:
        return _curvatures(LOG, delta, z, y, weight, gradient, curvature)
    return _curvatures(code, delta, z, y, weight, gradient, curvature)


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
