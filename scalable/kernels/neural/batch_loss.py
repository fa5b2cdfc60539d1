"""Losses of a batch and their gradients with respect to scores, weighted."""

from __future__ import annotations

import numpy as np

from scalable.kernels.elementary import exp, log
from scalable.kernels.jit import kernel

LOGISTIC, SOFTMAX, SQUARED = 0, 1, 2


@kernel()
def batch_loss(
    scores: np.ndarray, y: np.ndarray, weight: np.ndarray, kind: int, out: np.ndarray
) -> tuple[float, float]:
    """Write the gradient of the weighted mean loss, and return the weighted sum of losses and the weight.

    Parameters
    ----------
    scores : array of shape (n, k)
        One column for the logistic and the squared loss.
    y : array of shape (n,)
        Class indices or targets.
    weight : array of shape (n,) or (0,)
        Weights; all one where there are none.
    kind : int
        `LOGISTIC`, `SOFTMAX` or `SQUARED` (half of the square).
    out : array of shape (n, k)
        Written to.
    """
    n, k = scores.shape
    total = 0.0
    whole = 0.0 if weight.size else float(n)
    for i in range(weight.size):
        whole += weight[i]
    share = 1.0 / whole if whole > 0.0 else 0.0
    for i in range(n):
        w = np.float64(weight[i]) if weight.size else 1.0
        if kind == SQUARED:
            r = np.float64(scores[i, 0]) - np.float64(y[i])
            total += w * 0.5 * r * r
            out[i, 0] = r * w * share
        elif kind == LOGISTIC:
            z = np.float64(scores[i, 0])
            positive = np.float64(y[i]) > 0.5
            e = exp(-abs(z))
            probability = 1.0 / (1.0 + e) if z >= 0.0 else e / (1.0 + e)
            wrong = -z if positive else z
            total += w * (max(wrong, 0.0) + log(1.0 + e))
            out[i, 0] = (probability - (1.0 if positive else 0.0)) * w * share
        else:
            most = np.float64(scores[i, 0])
            for j in range(1, k):
                most = max(most, np.float64(scores[i, j]))
            norm = 0.0
            for j in range(k):
                norm += exp(np.float64(scores[i, j]) - most)
            mine = np.int64(y[i])
            total += w * (log(norm) + most - np.float64(scores[i, mine]))
            for j in range(k):
                probability = exp(np.float64(scores[i, j]) - most) / norm
                out[i, j] = (probability - (1.0 if j == mine else 0.0)) * w * share
    return total, whole
