"""Derivatives by differences, which derivations are held against, and the log loss of probabilities."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


def gradient(
    f: Callable[[NDArray[np.float64]], float], at: NDArray[np.float64], step: float = 1e-5
) -> NDArray[np.float64]:
    """Return the gradient of `f` by central differences, of the shape of `at`."""
    out = np.empty(at.shape)
    for place in np.ndindex(at.shape):
        up, down = at.copy(), at.copy()
        up[place] += step
        down[place] -= step
        out[place] = (f(up) - f(down)) / (2.0 * step)
    return out


def log_loss(y: NDArray[np.float64], p: NDArray[np.float64]) -> float:
    """Return the mean log loss of probabilities, kept 1e-12 from 0 and 1."""
    p = np.clip(p, 1e-12, 1.0 - 1e-12)
    return float(-(y * np.log(p) + (1.0 - y) * np.log1p(-p)).mean())
