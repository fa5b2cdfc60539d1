"""One row from Python: a function that holds the model and unboxes nothing but the row."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import types

from scalable.inference.forest.prepared import prepared
from scalable.inference.forest.row_layout import FrozenForest
from scalable.kernels.forest.row import row_score, row_scores

if TYPE_CHECKING:
    from scalable.inference.forest.compiled import CompiledForest


def row_function(forest: CompiledForest, convert: Callable[[Any], np.ndarray]) -> Callable[..., Any]:
    """Return ``f(x, raw_score=False)``; rows in any other form than contiguous float64 pass `convert` first."""
    frozen, finish, n_outputs = forest.frozen, forest.finish, forest.n_outputs
    if frozen is None:

        def walk(x: Any, raw_score: bool = False) -> Any:
            out = forest.predict(convert(x).reshape(1, -1), raw_score, num_iteration=-1)
            return float(out[0]) if n_outputs == 1 else out[0]

        return walk
    address, alive = frozen.address, frozen
    if n_outputs == 1:
        kernel = prepared(row_score, types.float64(types.int64, types.float64[::1], types.boolean))

        def score(x: Any, raw_score: bool = False, alive: FrozenForest = alive) -> Any:
            try:
                return kernel(address, x, raw_score)
            except (TypeError, ValueError):  # refused: another type, or another number of features
                return kernel(address, convert(x), raw_score)

        return score
    kernels = prepared(row_scores, types.void(types.int64, types.float64[::1], types.float64[::1]))

    def scores(x: Any, raw_score: bool = False, alive: FrozenForest = alive) -> Any:
        out = np.empty(n_outputs)
        try:
            kernels(address, x, out)
        except (TypeError, ValueError):
            kernels(address, convert(x), out)
        if not raw_score:
            finish(out.reshape(1, -1))
        return out

    return scores
