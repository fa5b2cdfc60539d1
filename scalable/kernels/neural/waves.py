"""Periodic embeddings of numbers (Gorishniy, Rubachev and Babenko, 2022): sines and cosines of learned frequencies."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from scalable.kernels.jit import kernel

TURN = 2.0 * math.pi
# The sine of a quarter of a turn at most, as a series in turns: within 1e-9.
_S1, _S3, _S5, _S7, _S9, _S11, _S13 = (
    (-1.0) ** k * TURN ** (2 * k + 1) / math.factorial(2 * k + 1) for k in range(7)
)


@kernel(inline=True, fastmath=True)
def _cosine(turns: float) -> Any:
    """Return the cosine of so many turns."""
    y = 0.25 - abs(turns - np.floor(turns + 0.5))
    q = y * y
    s = ((((_S13 * q + _S11) * q + _S9) * q + _S7) * q + _S5) * q + _S3
    return (s * q + _S1) * y


@kernel(fastmath=True)
def through_waves(x: np.ndarray, frequencies: np.ndarray, out: np.ndarray) -> None:
    """Write the cosines, then the sines, of each number of a row times the frequencies of its column, in turns.

    Parameters
    ----------
    x : array of shape (n, d)
        Numbers.
    frequencies : array of shape (d, m)
        Turns of each column's waves from one number to the next whole one.
    out : array of shape (n, >= 2 * m * d)
        The first columns are written.
    """
    m = frequencies.shape[1]
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            v, at = x[i, j], 2 * m * j
            for k in range(m):
                turns = np.float64(v * frequencies[j, k])
                out[i, at + k] = _cosine(turns)
                out[i, at + m + k] = _cosine(turns - 0.25)


@kernel(fastmath=True)
def waves_backward(x: np.ndarray, out: np.ndarray, gradient: np.ndarray, slopes: np.ndarray) -> None:
    """Write the gradient of the frequencies, given that of what `through_waves` wrote, which is `out`.

    Parameters
    ----------
    x, out
        As of `through_waves`.
    gradient : array of shape (n, >= 2 * m * d)
    slopes : array of shape (d, m)
        Overwritten.
    """
    m = slopes.shape[1]
    slopes[:] = 0.0
    turn = x.dtype.type(TURN)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            v, at = turn * x[i, j], 2 * m * j
            for k in range(m):
                cosine, sine = out[i, at + k], out[i, at + m + k]
                slopes[j, k] += v * (gradient[i, at + m + k] * cosine - gradient[i, at + k] * sine)
