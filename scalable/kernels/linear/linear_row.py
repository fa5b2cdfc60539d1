"""Rows through a linear model: each sum in one order, so that a row has the same bits alone and in a batch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from scalable.kernels.jit import kernel
from scalable.kernels.memory import load_f64, load_i64

HEADER_BYTES = 24  # features (int64), logistic (int64), intercept (double); coefficients follow
_SUMS = 8  # terms k, k + 8, k + 16 ... have a sum of their own: one after another, each addition waits for the last


@kernel(inline=True)
def _product(coef: Any, x: Any, n: Any) -> Any:
    """Return the product of the `n` doubles at two addresses."""
    a = b = c = d = e = f = g = h = 0.0
    step, block = np.uintp(8), np.uintp(8 * _SUMS)
    whole = n - n % _SUMS
    stop = coef + np.uintp(8 * whole)
    while coef < stop:
        a += load_f64(coef) * load_f64(x)
        b += load_f64(coef + step) * load_f64(x + step)
        c += load_f64(coef + np.uintp(16)) * load_f64(x + np.uintp(16))
        d += load_f64(coef + np.uintp(24)) * load_f64(x + np.uintp(24))
        e += load_f64(coef + np.uintp(32)) * load_f64(x + np.uintp(32))
        f += load_f64(coef + np.uintp(40)) * load_f64(x + np.uintp(40))
        g += load_f64(coef + np.uintp(48)) * load_f64(x + np.uintp(48))
        h += load_f64(coef + np.uintp(56)) * load_f64(x + np.uintp(56))
        coef += block
        x += block
    total = ((a + e) + (c + g)) + ((b + f) + (d + h))
    for _ in range(whole, n):
        total += load_f64(coef) * load_f64(x)
        coef += step
        x += step
    return total


@kernel(nogil=False)
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
    total = load_f64(model + np.uintp(16)) + _product(
        model + np.uintp(HEADER_BYTES), np.uintp(x.ctypes.data), n
    )
    if raw or load_i64(model + np.uintp(8)) == 0:
        return total
    return 1.0 / (1.0 + math.exp(-total))


@kernel()
def linear_rows(coef: Any, intercept: Any, X: Any, logistic: Any, out: Any) -> None:
    """Write intercept + coef . x of many rows, as `linear_row` gives them.

    Parameters
    ----------
    coef : float64 (n_outputs, n_features)
    intercept : float64 (n_outputs,)
    X : float64 (n_rows, n_features), C-contiguous
    logistic : bool
        Whether scores go through the logistic function.
    out : float64 (n_rows, n_outputs)
    """
    n = coef.shape[1]
    width = np.uintp(8 * n)
    x = np.uintp(X.ctypes.data)
    for i in range(out.shape[0]):
        of_output = np.uintp(coef.ctypes.data)
        for k in range(out.shape[1]):
            total = intercept[k] + _product(of_output, x, n)
            out[i, k] = 1.0 / (1.0 + math.exp(-total)) if logistic else total
            of_output += width
        x += width
