"""One row from Python: a function that holds the model and unboxes nothing but the row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types

from scalable.inference.forest.inputs import is_plain_row
from scalable.inference.forest.prepared import prepared
from scalable.inference.forest.row_layout import FrozenForest
from scalable.kernels.forest.row import row_score, row_scores

Convert = Callable[[Any], np.ndarray]


def row_function(frozen: FrozenForest, convert: Convert) -> Callable[..., float]:
    """Return ``f(x, raw_score=False)`` of a forest of one output; the link is the kernel's.

    `convert` makes a contiguous float64 row of anything else.
    """
    kernel = prepared(row_score, types.float64(types.int64, types.float64[::1], types.boolean))
    address = frozen.address

    odd = (
        False  # once a row was refused, which takes Numba a hundred microseconds, others are looked at first
    )

    def score(x: Any, raw_score: bool = False, alive: FrozenForest = frozen) -> Any:
        nonlocal odd
        if odd and not is_plain_row(x):
            return kernel(address, convert(x), raw_score)
        try:
            return kernel(address, x, raw_score)
        except (TypeError, ValueError):  # refused: another type, or another number of features
            row = convert(x)
        odd = True
        return kernel(address, row, raw_score)

    return score


def rows_function(
    frozen: FrozenForest, convert: Convert, n_outputs: int, finish: Callable[[np.ndarray], None]
) -> Callable[..., np.ndarray]:
    """Return ``f(x, raw_score=False)`` to float64 (n_outputs,); `finish` applies the link in place."""
    kernel = prepared(row_scores, types.void(types.int64, types.float64[::1], types.float64[::1]))
    address = frozen.address

    odd = False

    def scores(x: Any, raw_score: bool = False, alive: FrozenForest = frozen) -> Any:
        nonlocal odd
        out = np.empty(n_outputs)
        try:
            kernel(address, convert(x) if odd and not is_plain_row(x) else x, out)
        except (TypeError, ValueError):
            kernel(address, convert(x), out)
            odd = True
        if not raw_score:
            finish(out.reshape(1, -1))
        return out

    return scores
