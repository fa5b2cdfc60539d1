"""Bias, activation, dropout and the way round a block, in one pass over the units of a layer; and back.

Whether a unit is dropped is a function of a key and its place, so the way back finds the same units without a mask.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.elementary import exp
from scalable.kernels.jit import kernel

IDENTITY, RELU, GELU = 0, 1, 2
ACTIVATIONS = {"relu": RELU, "gelu": GELU, "identity": IDENTITY}
_ROOT = 0.7978845608028654  # sqrt(2 / pi)
_CUBE = 0.044715
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)


@kernel(inline=True)
def _gate(z: float) -> Any:
    """Return ``(1 + tanh(u)) / 2`` of GELU's argument, and u's slope."""
    u = _ROOT * (z + _CUBE * z * z * z)
    return 1.0 / (1.0 + exp(-2.0 * u)), _ROOT * (1.0 + 3.0 * _CUBE * z * z)


@kernel(inline=True)
def _kept(key: int, place: int, threshold: int) -> bool:
    """Whether a unit is kept: with a chance of ``1 - threshold / 2**32``."""
    x = (np.uint64(place) + np.uint64(key)) * _MIX1
    x = (x ^ (x >> np.uint64(29))) * _MIX2
    return bool((x >> np.uint64(32)) >= np.uint64(threshold))


@kernel(fastmath=True)
def activate(
    z: np.ndarray, bias: np.ndarray, kind: int, rate: float, key: int, around: np.ndarray, out: np.ndarray
) -> None:
    """Write ``dropout(activation(z + bias)) + around`` to `out`; `z` becomes ``z + bias``.

    Parameters
    ----------
    z : array of shape (n, k)
        Products; kept for `activate_backward`.
    bias : array of shape (k,)
        Added to every row.
    kind : int
        One of `ACTIVATIONS`; GELU by its tanh (Hendrycks and Gimpel, 2016).
    rate : float
        Chance that a unit is dropped; the others are scaled by ``1 / (1 - rate)``.
    key : int
        Of the step and layer.
    around : array of shape (n, k) or (0, 0)
        Added at the end, where there is any.
    out : array of shape (n, k)
        Written to.
    """
    n, k = z.shape
    one = z.dtype.type(1.0)
    threshold = np.uint64(rate * 4294967296.0)
    scale = z.dtype.type(1.0 / (1.0 - rate))
    zero = z.dtype.type(0.0)
    for i in range(n):
        row, to = z[i], out[i]
        for j in range(k):
            row[j] += bias[j]
        if kind == RELU:
            for j in range(k):
                to[j] = row[j] if row[j] > zero else zero
        elif kind == GELU:
            for j in range(k):
                gate, _ = _gate(row[j])
                to[j] = row[j] * gate
        else:
            for j in range(k):
                to[j] = row[j] * one
        if rate > 0.0:
            for j in range(k):
                to[j] = to[j] * scale if _kept(key, i * k + j, threshold) else zero
        if around.size:
            for j in range(k):
                to[j] += around[i, j]


@kernel(fastmath=True)
def activate_backward(
    z: np.ndarray, kind: int, rate: float, key: int, gradient: np.ndarray, out: np.ndarray, bias: np.ndarray
) -> None:
    """Write the gradient with respect to ``z + bias`` to `out`, and its sum over rows to `bias`.

    Parameters
    ----------
    z : array of shape (n, k)
        As `activate` left it.
    kind, rate, key
        As they were given to it.
    gradient : array of shape (n, k)
        With respect to what `activate` wrote.
    out : array of shape (n, k)
        Written to; may be `gradient`.
    bias : array of shape (k,)
        Written to.
    """
    n, k = z.shape
    zero = z.dtype.type(0.0)
    threshold = np.uint64(rate * 4294967296.0)
    scale = z.dtype.type(1.0 / (1.0 - rate))
    for j in range(k):
        bias[j] = zero
    for i in range(n):
        row, g, to = z[i], gradient[i], out[i]
        if kind == RELU:
            for j in range(k):
                to[j] = g[j] if row[j] > zero else zero
        elif kind == GELU:
            for j in range(k):
                gate, slope = _gate(row[j])
                to[j] = g[j] * (gate + 2.0 * row[j] * gate * (1.0 - gate) * slope)
        else:
            for j in range(k):
                to[j] = g[j]
        if rate > 0.0:
            for j in range(k):
                to[j] = to[j] * scale if _kept(key, i * k + j, threshold) else zero
        for j in range(k):
            bias[j] += to[j]
