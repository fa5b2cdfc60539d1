"""Losses: value, first and second derivative with respect to the linear predictor z, and all else there is to know.

A loss is one function ``(z, y, delta) -> (value, gradient, curvature)`` and what `loss` is told about it; everybody
else asks its record.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scalable.kernels.elementary import LIMIT, exp, exp_negative, log1p_unit, log1p_unit_single
from scalable.kernels.jit import kernel

STEEPEST = 1e12  # of a row in single precision: its square, summed over any data, stays a float32


@dataclass(frozen=True, slots=True)
class Loss:
    """What the learners need to know of a loss.

    Attributes
    ----------
    name : str
    code : int
        Number by which the kernels choose it.
    terms : kernel
        ``(z, y, delta) -> (value, gradient, curvature)``.
    classification : bool
        Whether targets are 0 and 1; real numbers otherwise.
    smooth : bool
        Whether the curvature is useful, i.e. Newton's method applies.
    robust : bool
        Whether the gradient is bounded: an outlier moves the fit no further than the next row.
    link : str
        How scores become predictions: ``"identity"``, ``"log"``, ``"logistic"``, or ``"margin"`` (no probabilities).
        The first intercept is the prior on that scale: the mean, its logarithm, the log-odds, or 0.
    degree : int or None
        Scores and targets times s make the loss times s^degree, so that descent may scale targets; None where no power
        does, and targets are left as they are.
    parameter : str or None
        Parameter of the estimators that is handed on as `delta`.
    in_units : bool
        Whether that parameter is in units of the target, and is scaled with it.
    positive : bool
        Whether targets must not be negative.
    attained : bool
        Whether separable rows have their least loss at finite scores.
    """

    name: str
    code: int
    terms: Any
    classification: bool = False
    smooth: bool = False
    robust: bool = False
    link: str = "identity"
    degree: int | None = None
    parameter: str | None = None
    in_units: bool = False
    positive: bool = False
    attained: bool = True


LOSSES: dict[str, Loss] = {}


def loss(**facts: Any) -> Callable[[Any], Any]:
    """Return a decorator that makes a function a loss of its name; `facts` are the attributes of `Loss`."""

    def register(function: Any) -> Any:
        terms = kernel(inline=True)(function)
        LOSSES[function.__name__] = Loss(function.__name__, len(LOSSES), terms, **facts)
        return terms

    return register


@loss(classification=True, smooth=True, robust=True, link="logistic", attained=False)
def log_loss(z: float, y: float, delta: float) -> Any:
    """Logistic loss ``log(1 + exp(z)) - y z``; the gradient is ``p - y``."""
    e = exp(-abs(z))
    inverse = 1.0 / (1.0 + e)
    p = inverse if z >= 0.0 else e * inverse
    return max(z, 0.0) - y * z + log1p_unit(e), p - y, e * inverse * inverse


@loss(classification=True, robust=True, link="margin")
def hinge(z: float, y: float, delta: float) -> Any:
    """Hinge ``max(0, 1 - s z)`` with s = 2 y - 1."""
    s = 2.0 * y - 1.0
    gap = 1.0 - s * z
    return max(gap, 0.0), -s if gap > 0.0 else 0.0, 0.0


@loss(classification=True, smooth=True, link="margin")
def squared_hinge(z: float, y: float, delta: float) -> Any:
    """Squared hinge ``max(0, 1 - s z)^2`` with s = 2 y - 1."""
    s = 2.0 * y - 1.0
    gap = max(1.0 - s * z, 0.0)
    return gap * gap, -2.0 * s * gap, 2.0 if gap > 0.0 else 0.0


@loss(classification=True, smooth=True, robust=True, link="margin")
def modified_huber(z: float, y: float, delta: float) -> Any:
    """Squared hinge, continued by ``-4 s z`` where s z < -1 (Zhang, 2004)."""
    s = 2.0 * y - 1.0
    m = s * z
    gap = max(1.0 - m, 0.0)
    linear = m < -1.0
    value = -4.0 * m if linear else gap * gap
    return value, -4.0 * s if linear else -2.0 * s * gap, 2.0 if (m >= -1.0 and m < 1.0) else 0.0


@loss(smooth=True, degree=2)
def squared_error(z: float, y: float, delta: float) -> Any:
    """Half squared error."""
    r = z - y
    return 0.5 * r * r, r, 1.0


@loss(smooth=True, robust=True, degree=2, parameter="epsilon", in_units=True)
def huber(z: float, y: float, delta: float) -> Any:
    """Half squared error up to `delta`, linear beyond (Huber, 1964)."""
    r = z - y
    clipped = min(max(r, -delta), delta)
    return clipped * (r - 0.5 * clipped), clipped, 1.0 if clipped == r else 0.0


@loss(robust=True, degree=1, parameter="quantile")
def quantile(z: float, y: float, delta: float) -> Any:
    """Pinball loss of the quantile `delta`: ``max(delta (y - z), (delta - 1) (y - z))``."""
    r = y - z
    return max(delta * r, (delta - 1.0) * r), -delta if r > 0.0 else (1.0 - delta if r < 0.0 else 0.0), 0.0


@loss(robust=True, degree=1, parameter="epsilon", in_units=True)
def epsilon_insensitive(z: float, y: float, delta: float) -> Any:
    """Absolute error beyond `delta` (Vapnik, 1995)."""
    r = z - y
    gap = abs(r) - delta
    sign = 1.0 if r > 0.0 else -1.0
    return max(gap, 0.0), sign if gap > 0.0 else 0.0, 0.0


@loss(smooth=True, link="log", positive=True)
def poisson(z: float, y: float, delta: float) -> Any:
    """Half Poisson deviance with a log link, up to a constant: ``exp(z) - y z``."""
    mean = exp(z)
    bounded = min(max(z, -LIMIT), LIMIT)
    return mean - y * bounded, mean - y, mean


def _choice(losses: Sequence[Loss]) -> Any:
    """Return a kernel ``(code, delta, z, y)`` that computes the loss of that code; the last one where there is none."""
    own, terms = losses[0].code, losses[0].terms
    if len(losses) == 1:

        def chosen(code: int, delta: float, z: float, y: float) -> Any:
            return terms(z, y, delta)
    else:
        others = _choice(losses[1:])

        def chosen(code: int, delta: float, z: float, y: float) -> Any:
            if code == own:
                return terms(z, y, delta)
            return others(code, delta, z, y)

    return kernel(inline=True, cache=False)(chosen)  # within the kernels that call it, it is cached


triple = _choice([*LOSSES.values()])

# These have loops of their own below.
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
