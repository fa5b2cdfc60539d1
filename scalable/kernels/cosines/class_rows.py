"""What `cosine_rows` does for one score a row, for several classes: scores, and gradients of the softmax loss."""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.cosines import sixteen_rows
from scalable.kernels.cosines.cosine_rows import (
    Directions,
    labels_of_tile,
    parts_of_room,
    place_behind,
    scores_of_tile,
)
from scalable.kernels.cosines.sixteen_rows import add_sums
from scalable.kernels.cosines.sixteen_sums import add_weighted
from scalable.kernels.elementary import exp_negative
from scalable.kernels.jit import kernel

ROWS, BYTES = sixteen_rows.ROWS, sixteen_rows.BYTES


@kernel()
def _class_scores(
    columns: np.ndarray,
    start: int,
    stop: int,
    along: Any,
    coef: np.ndarray,
    intercept: np.ndarray,
    x: np.ndarray,
    phi: np.ndarray,
    scores: np.ndarray,
) -> None:
    """Do `scores_of_tile` for several classes."""
    scores_of_tile(columns, start, stop, along, coef[0], intercept[0], x, phi, scores[0])
    n = coef.shape[1]
    for k in range(1, coef.shape[0]):
        scores[k] = np.float32(intercept[k])
        add_weighted(place_behind(scores, k * BYTES), place_behind(phi, 0), place_behind(coef, 4 * k * n), n)


@kernel()
def score_classes(
    columns: np.ndarray,
    along: Directions,
    coef: np.ndarray,
    intercept: np.ndarray,
    room: np.ndarray,
    out: np.ndarray,
) -> None:
    """Do `score_rows` for several classes: coef (k, n), intercept (k,) and out (k, n_rows); k rows more of room."""
    k = coef.shape[0]
    x, phi, scores = parts_of_room(room, columns, along, k)
    for start in range(0, out.shape[1], ROWS):
        stop = min(start + ROWS, out.shape[1])
        _class_scores(columns, start, stop, along, coef, intercept, x, phi, scores)
        for c in range(k):
            for i in range(start, stop):
                out[c, i] = scores[c, i - start]


@kernel(fastmath=True)
def _softmax_gradients(scores: np.ndarray, label: np.ndarray, weight: np.ndarray, slopes: np.ndarray) -> Any:
    """Write the gradients of the softmax loss of sixteen rows, (k, 16), from their scores; return its sum."""
    loss = 0.0
    for i in range(ROWS):
        most, total, mine = scores[0, i], np.float32(0.0), np.int64(label[i])
        for k in range(1, scores.shape[0]):
            most = max(most, scores[k, i])
        for k in range(scores.shape[0]):
            slopes[k, i] = exp_negative(scores[k, i] - most)
            total += slopes[k, i]
        for k in range(scores.shape[0]):
            slopes[k, i] *= weight[i] / total
        slopes[mine, i] -= weight[i]
        loss += np.float64(weight[i] * (np.log(total) + most - scores[mine, i]))
    return loss


@kernel()
def add_gradient_of_classes(
    columns: np.ndarray,
    start: int,
    stop: int,
    label: np.ndarray,
    weight: np.ndarray,
    along: Directions,
    coef: np.ndarray,
    intercept: np.ndarray,
    room: np.ndarray,
    gradient: np.ndarray,
    bias: np.ndarray,
) -> Any:
    """Do `add_gradient_of_rows` for the softmax loss of several classes.

    Parameters
    ----------
    columns, start, stop, weight, along
        As there.
    label : float64 array of shape (n_rows,)
        Index of each row's class.
    coef, intercept : arrays of shape (k, n), float32, and (k,), float64
    room : as there
        Twice k, and two, rows more than of `score_rows`, less one.
    gradient, bias : arrays of shape (k, n), float32, and (k,), float64
        Added to.

    Returns
    -------
    float, float
        Sum of losses, and of weights.
    """
    k, n = coef.shape
    x, phi, behind = parts_of_room(room, columns, along, 2 * k + 2)
    scores, slopes, y, w = behind[:k], behind[k : 2 * k], behind[2 * k], behind[2 * k + 1]
    loss = total = 0.0
    for first in range(start, stop, ROWS):
        last = min(first + ROWS, stop)
        _class_scores(columns, first, last, along, coef, intercept, x, phi, scores)
        labels_of_tile(label, weight, first, last, y, w)
        loss += _softmax_gradients(scores, y, w, slopes)
        for i in range(last - first):
            total += np.float64(w[i])
        for c in range(k):
            for i in range(last - first):
                bias[c] += np.float64(slopes[c, i])
            for j in range(0, n, 16):
                out = place_behind(gradient, 4 * (c * n + j))
                add_sums(out, place_behind(phi, j * BYTES), place_behind(slopes, c * BYTES))
    return loss, total
