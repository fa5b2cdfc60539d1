"""One row through a linear model frozen in memory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from scalable.kernels.jit import kernel
from scalable.kernels.memory import load_f64, load_i64

HEADER_BYTES = 24  # features (int64), logistic (int64), intercept (double); coefficients follow


@kernel(fastmath=True, nogil=False)
def linear_row(model: Any, x: Any, raw: Any) -> Any:
    """Return intercept + coef . x of one row, through the logistic function if the model says so.

    Parameters
    ----------
    model : int
        Address of header and coefficients.
    x : float64 (n_features,)
    raw : bool
        Skip the logistic function.
    """
    model = np.uintp(model)
    n = load_i64(model)
    if len(x) != n:
        raise ValueError("wrong number of features")
    total = load_f64(model + np.uintp(16))
    coef = model + np.uintp(HEADER_BYTES)
    for i in range(n):
        total += load_f64(coef + np.uintp(8 * i)) * x[i]
    if raw or load_i64(model + np.uintp(8)) == 0:
        return total
    return 1.0 / (1.0 + math.exp(-total))
