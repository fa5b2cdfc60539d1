"""Losses: value, first and second derivative with respect to the linear predictor z, and all else there is to know.

A loss is one function ``(z, y, delta) -> (value, gradient, curvature)`` and what `loss` is told about it; everybody
else asks its record.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scalable.kernels.elementary import LIMIT, exp, log1p_unit
from scalable.kernels.jit import kernel

KINK = 1e-5  # widths within which a kink is rounded off, in units of the scaled target or of the margin


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
    quadratic : bool
        Whether the curvature is the same everywhere, so that one Newton step reaches the minimum.
    majorant : kernel or None
        As `terms`, but with the curvature of a parabola that lies nowhere below the loss and touches it at z, and with
        kinks rounded off (Hunter & Lange, 2000). For losses whose own curvature is 0 over wide ranges.
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
    quadratic: bool = False
    majorant: Any = None


LOSSES: dict[str, Loss] = {}


def loss(**facts: Any) -> Callable[[Any], Any]:
    """Return a decorator that makes a function a loss of its name; `facts` are the attributes of `Loss`."""

    def register(function: Any) -> Any:
        terms = kernel(inline=True)(function)
        LOSSES[function.__name__] = Loss(function.__name__, len(LOSSES), terms, **facts)
        return terms

    return register


@kernel(inline=True)
def _rounded(u: float) -> Any:
    """Return ``|u|`` with its kink rounded off, the derivative, and the curvature of the majorant."""
    bend = 1.0 / (abs(u) + KINK)
    return abs(u) - KINK * np.log1p(abs(u) / KINK), u * bend, bend


@kernel(inline=True)
def _hinge_majorant(z: float, y: float, delta: float) -> Any:
    s = 2.0 * y - 1.0
    gap = 1.0 - s * z
    value, slope, bend = _rounded(gap)
    return 0.5 * (gap + value), -0.5 * s * (1.0 + slope), 0.5 * bend


@kernel(inline=True)
def _modified_huber_majorant(z: float, y: float, delta: float) -> Any:
    s = 2.0 * y - 1.0
    gap = max(1.0 - s * z, 0.0)
    if gap > 2.0:
        return 4.0 * (gap - 1.0), -4.0 * s, 4.0 / gap
    return gap * gap, -2.0 * s * gap, 2.0


@kernel(inline=True)
def _huber_majorant(z: float, y: float, delta: float) -> Any:
    r = z - y
    clipped = min(max(r, -delta), delta)
    return clipped * (r - 0.5 * clipped), clipped, 1.0 if clipped == r else clipped / r


@kernel(inline=True)
def _quantile_majorant(z: float, y: float, delta: float) -> Any:
    r = y - z
    value, slope, bend = _rounded(r)
    return 0.5 * value + (delta - 0.5) * r, 0.5 - delta - 0.5 * slope, 0.5 * bend


@kernel(inline=True)
def _epsilon_majorant(z: float, y: float, delta: float) -> Any:
    r = z - y
    above, above_slope, above_bend = _rounded(r - delta)
    below, below_slope, below_bend = _rounded(r + delta)
    slope = 0.5 * (above_slope + below_slope)
    return 0.5 * (above + below) - delta, slope, 0.5 * (above_bend + below_bend)


@loss(classification=True, smooth=True, robust=True, link="logistic", attained=False)
def log_loss(z: float, y: float, delta: float) -> Any:
    """Logistic loss ``log(1 + exp(z)) - y z``; the gradient is ``p - y``."""
    e = exp(-abs(z))
    inverse = 1.0 / (1.0 + e)
    p = inverse if z >= 0.0 else e * inverse
    return max(z, 0.0) - y * z + log1p_unit(e), p - y, e * inverse * inverse


@loss(classification=True, robust=True, link="margin", majorant=_hinge_majorant)
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


@loss(classification=True, smooth=True, robust=True, link="margin", majorant=_modified_huber_majorant)
def modified_huber(z: float, y: float, delta: float) -> Any:
    """Squared hinge, continued by ``-4 s z`` where s z < -1 (Zhang, 2004)."""
    s = 2.0 * y - 1.0
    m = s * z
    gap = max(1.0 - m, 0.0)
    linear = m < -1.0
    value = -4.0 * m if linear else gap * gap
    return value, -4.0 * s if linear else -2.0 * s * gap, 2.0 if (m >= -1.0 and m < 1.0) else 0.0


@loss(smooth=True, degree=2, quadratic=True)
def squared_error(z: float, y: float, delta: float) -> Any:
    """Half squared error."""
    r = z - y
    return 0.5 * r * r, r, 1.0


@loss(smooth=True, robust=True, degree=2, parameter="epsilon", in_units=True, majorant=_huber_majorant)
def huber(z: float, y: float, delta: float) -> Any:
    """Half squared error up to `delta`, linear beyond (Huber, 1964)."""
    r = z - y
    clipped = min(max(r, -delta), delta)
    return clipped * (r - 0.5 * clipped), clipped, 1.0 if clipped == r else 0.0


@loss(robust=True, degree=1, parameter="quantile", majorant=_quantile_majorant)
def quantile(z: float, y: float, delta: float) -> Any:
    """Pinball loss of the quantile `delta`: ``max(delta (y - z), (delta - 1) (y - z))``."""
    r = y - z
    return max(delta * r, (delta - 1.0) * r), -delta if r > 0.0 else (1.0 - delta if r < 0.0 else 0.0), 0.0


@loss(robust=True, degree=1, parameter="epsilon", in_units=True, majorant=_epsilon_majorant)
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


def record(code: int) -> Loss | None:
    """Return the loss of a code; None for softmax, which has no function of one score."""
    return next((loss for loss in LOSSES.values() if loss.code == code), None)


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
majorant = _choice([replace(loss, terms=loss.majorant) for loss in LOSSES.values() if loss.majorant])
