"""What a tree's leaves add to the scores, from sums far finer than those its splits were found with."""

from __future__ import annotations

import numpy as np

from scalable.kernels.histogram.objectives import STRIP, gradients
from scalable.kernels.jit import kernel

_U = np.uint64


@kernel()
def leaf_sums(
    objective: np.ndarray,
    score: np.ndarray,
    label: np.ndarray,
    weight: np.ndarray,
    sampled: np.ndarray,
    given: np.ndarray,
    leaf_of_row: np.ndarray,
    gradient_scale: float,
    hessian_scale: float,
    out: np.ndarray,
) -> None:
    """Add every row's gradient and hessian, rounded to the nearest unit, to its leaf.

    Sums of integers need no order; ``n_rows`` times the largest term must stay below 2**62, which the caller's scales
    see to.

    Parameters
    ----------
    objective, score, label, weight, sampled, given
        As for `scalable.kernels.histogram.objectives.gradients`.
    leaf_of_row : uint32 array (n_rows,)
        `scalable.kernels.histogram.partition.NO_LEAF` for rows that are left out.
    gradient_scale, hessian_scale : float
        Units per 1.0.
    out : int64 array (n_leaves + 1, 2)
        Added to; the last row is working space.
    """
    g, h = np.empty(STRIP), np.empty(STRIP)
    a, b = np.empty(STRIP, np.int64), np.empty(STRIP, np.int64)
    n_rows, nowhere = label.shape[0], np.uint32(out.shape[0] - 1)
    for start in range(0, n_rows, STRIP):
        n = min(STRIP, n_rows - start)
        gradients(objective, score, label, weight, sampled, given, start, n, g, h)
        for i in range(n):
            a[i] = np.int64(np.rint(g[i] * gradient_scale))
            b[i] = np.int64(np.rint(h[i] * hessian_scale))
        own = leaf_of_row[start : start + n]
        for i in range(n):
            leaf = _U(min(own[i], nowhere))
            out[leaf, _U(0)] += a[_U(i)]
            out[leaf, _U(1)] += b[_U(i)]


@kernel()
def add_leaf_values(values: np.ndarray, leaf_of_row: np.ndarray, score: np.ndarray) -> None:
    """Add to each row's score the value of its leaf.

    Parameters
    ----------
    values : float64 array (n_leaves,)
    leaf_of_row : uint32 array (n_rows,)
        A leaf for each.
    score : float64 array (n_rows,)
    """
    for i in range(score.shape[0]):
        score[_U(i)] += values[_U(leaf_of_row[_U(i)])]
