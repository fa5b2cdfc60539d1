"""Gradients as integers, rounded up or down at random so that sums are right on average.

The random number of a row is a hash of (seed, tree, row) alone: it is the same on any thread and any worker.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.histogram.objectives import STRIP, gradients
from scalable.kernels.histogram.packing import packed
from scalable.kernels.jit import kernel

_U = np.uint64
_HALF = _U(2**32 - 1)
_UNIT = 2.0**-32


@kernel(inline=True)
def row_hash(key: int, row: int) -> Any:
    """Return 64 random bits of a row: SplitMix64 (Steele, Lea and Flood, 2014) of a counter."""
    z = (key + row) * _U(0x9E3779B97F4A7C15)
    z = (z ^ (z >> _U(30))) * _U(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> _U(27))) * _U(0x94D049BB133111EB)
    return z ^ (z >> _U(31))


@kernel()
def quantise(
    objective: np.ndarray,
    score: np.ndarray,
    label: np.ndarray,
    weight: np.ndarray,
    sampled: np.ndarray,
    given: np.ndarray,
    starts: np.ndarray,
    first_rows: np.ndarray,
    key: int,
    gradient_scale: float,
    hessian_scale: float,
    count_bits: int,
    hessian_bits: int,
    out: np.ndarray,
) -> None:
    """Write every row's packed gradient, hessian and count.

    Parameters
    ----------
    objective, score, label, weight, sampled, given
        As for `scalable.kernels.histogram.objectives.gradients`.
    starts : int64 array (n_blocks + 1,)
        Where each block of rows that lie together in the dataset begins in these arrays, and where the last one ends.
    first_rows : int64 array (n_blocks,)
        The dataset's row with which each block begins.
    key : uint64
        Of the seed and the tree.
    gradient_scale, hessian_scale : float
        Units per 1.0: powers of two, such that no row exceeds what the packing holds.
    count_bits, hessian_bits : int
        Of the packing.
    out : int64 array (n_rows,)
    """
    g, h = np.empty(STRIP), np.empty(STRIP)
    for block in range(first_rows.shape[0]):
        for start in range(starts[block], starts[block + 1], STRIP):
            n = min(STRIP, starts[block + 1] - start)
            gradients(objective, score, label, weight, sampled, given, start, n, g, h)
            row = _U(first_rows[block] + start - starts[block])
            values = out[start : start + n]
            if hessian_bits:
                for i in range(n):
                    z = row_hash(key, row + _U(i))
                    up, across = np.float64(z >> _U(32)) * _UNIT, np.float64(z & _HALF) * _UNIT
                    a = np.int64(np.floor(g[i] * gradient_scale + up))
                    b = np.int64(np.floor(h[i] * hessian_scale + across))
                    values[i] = packed(a, b, count_bits, hessian_bits)
            else:
                for i in range(n):
                    z = row_hash(key, row + _U(i))
                    a = np.int64(np.floor(g[i] * gradient_scale + np.float64(z >> _U(32)) * _UNIT))
                    values[i] = packed(a, 0, count_bits, hessian_bits)


@kernel()
def draw(
    starts: np.ndarray,
    first_rows: np.ndarray,
    key: int,
    thresholds: np.ndarray,
    label: np.ndarray,
    sampled: np.ndarray,
) -> None:
    """Flag the rows of a bag: 1 for rows that are drawn, 0 for the others.

    Parameters
    ----------
    starts, first_rows, key
        As for `quantise`.
    thresholds : uint64 array (2,)
        Of rows whose label is 0 or less and of the others: drawn where the hash's upper 32 bits are below it.
    label : float32 array (n_rows,)
    sampled : uint8 array (n_rows,)
    """
    for block in range(first_rows.shape[0]):
        for i in range(starts[block], starts[block + 1]):
            row = _U(first_rows[block] + i - starts[block])
            most = thresholds[1] if label[i] > 0 else thresholds[0]
            sampled[i] = (row_hash(key, row) >> _U(32)) < most
