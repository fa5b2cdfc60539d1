"""Coordinate descent on a quadratic with an l1 penalty: the inside of the elastic net."""

from __future__ import annotations

import numpy as np

from scalable.kernels.jit import kernel
from scalable.kernels.linear.penalties import soft_threshold


@kernel()
def minimize_quadratic(
    hessian: np.ndarray,
    linear: np.ndarray,
    l1: np.ndarray,
    free: np.ndarray,
    max_sweeps: int,
    tol: float,
    w: np.ndarray,
) -> int:
    """Minimise ``w' H w / 2 + linear' w + sum(l1 |w|)`` over the free coordinates.

    Covariance updates as in Friedman, Hastie & Tibshirani, "Regularization paths for generalized
    linear models via coordinate descent" (2010): only coordinates that move cost a row of H.

    Parameters
    ----------
    hessian : array of shape (p, p), float64
        Positive semidefinite.
    linear, l1 : arrays of shape (p,), float64
        Linear term and l1 penalties.
    free : array of shape (p,), bool
        Coordinates that may move.
    max_sweeps : int
        Most sweeps over all coordinates.
    tol : float
        Stop when no coordinate changes the objective by more than `tol`.
    w : array of shape (p,), float64
        Start, and output.

    Returns
    -------
    int
        Sweeps done.
    """
    p = w.size
    gradient = linear.copy()
    for j in range(p):
        if w[j] != 0.0:
            for k in range(p):
                gradient[k] += hessian[j, k] * w[j]
    for sweep in range(max_sweeps):
        largest = 0.0
        for j in range(p):
            bend = hessian[j, j]
            if not free[j] or bend <= 0.0:
                continue
            new = soft_threshold(w[j] - gradient[j] / bend, l1[j] / bend)
            move = new - w[j]
            if move != 0.0:
                w[j] = new
                row = hessian[j]
                for k in range(p):
                    gradient[k] += row[k] * move
                largest = max(largest, bend * move * move)
        if largest <= tol:
            return sweep + 1
    return max_sweeps
