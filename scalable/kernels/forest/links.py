"""Raw scores to predictions, with the same scalar operations in the same order as the library that grew the forest."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from scalable.kernels.jit import kernel

LINKS = range(12)
IDENTITY, SIGMOID, EXP, LOG1P_EXP, SIGNED_SQUARE, SOFTMAX = LINKS[:6]  # LightGBM's, scikit-learn's
SIGMOID32, EXP32, SOFTMAX32, HINGE, LOGIT32, LOG32 = LINKS[
    6:
]  # XGBoost's; the last two lead from a base score


@kernel(inline=True)
def link_one(value: Any, link: Any, scale: Any) -> Any:
    """Return the prediction of one raw score under an element-wise link; `scale` is the sigmoid's slope."""
    if link == SIGMOID:
        return 1.0 / (1.0 + math.exp(-scale * value))
    if link == EXP:
        return math.exp(value)
    if link == LOG1P_EXP:
        return math.log1p(math.exp(value))
    if link == SIGNED_SQUARE:
        return math.copysign(1.0, value) * value * value if value != 0.0 else 0.0
    if link >= SIGMOID32:
        return np.float64(_link_float32(np.float32(value), link))
    return value


@kernel(inline=True)
def _link_float32(value: Any, link: Any) -> Any:
    one: Any = np.float32(1.0)
    if link == SIGMOID32:
        return one / (np.float32(math.exp(min(-value, np.float32(88.7)))) + one)
    if link == EXP32:
        return np.float32(math.exp(value))
    if link == HINGE:
        return one if value > np.float32(0.0) else np.float32(0.0)
    if link == LOGIT32:
        return -np.float32(math.log(one / value - one))
    if link == LOG32:
        return np.float32(math.log(value))
    return value


@kernel(inline=True)
def _softmax32(row: Any) -> None:
    top: Any = np.float32(row[0])
    for k in range(1, len(row)):
        top = max(top, np.float32(row[k]))
    total = 0.0
    for k in range(len(row)):
        share: Any = np.float32(math.exp(np.float32(row[k]) - top))
        row[k] = share
        total += share
    for k in range(len(row)):
        row[k] = np.float32(row[k]) / np.float32(total)


@kernel()
def link_rows(scores: Any, link: Any, scale: Any) -> None:
    """Replace raw `scores` (n_rows, n_outputs) by predictions in place."""
    for i in range(scores.shape[0]):
        row = scores[i]
        if link == SOFTMAX:
            top = row[0]
            for k in range(1, len(row)):
                top = max(top, row[k])
            total = 0.0
            for k in range(len(row)):
                row[k] = math.exp(row[k] - top)
                total += row[k]
            for k in range(len(row)):
                row[k] /= total
        elif link == SOFTMAX32:
            _softmax32(row)
        else:
            for k in range(len(row)):
                row[k] = link_one(row[k], link, scale)
