"""Derivatives by differences, which derivations are held against."""

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
