"""Raw scores to predictions, with the same scalar operations in the same order as LightGBM."""

from __future__ import annotations

import math
from typing import Any

from scalable.kernels.jit import kernel

LINKS = range(6)
IDENTITY, SIGMOID, EXP, LOG1P_EXP, SIGNED_SQUARE, SOFTMAX = LINKS


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
    return value


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
        else:
            for k in range(len(row)):
                row[k] = link_one(row[k], link, scale)
