"""The shapes of covariance: one a component, its diagonal, or one for all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scalable import lapack
from scalable.errors import DataError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Shape:
    """A shape of covariance.

    Attributes
    ----------
    diagonal : bool
        Whether columns are independent within a component.
    of : callable
        From squares about the means, (k, p, p) or (k, p), and counts (k,) to covariances.
    spread : callable
        From covariances and k to k of them.
    parameters : callable
        From (k, p) to the number of free numbers.
    """

    diagonal: bool
    of: Callable[[Array, Array], Array]
    spread: Callable[[Array, int], Array]
    parameters: Callable[[int, int], int]


SHAPES = {
    "full": Shape(
        False,
        lambda squares, counts: squares / counts[:, None, None],
        lambda covariances, k: covariances,
        lambda k, p: k * p * (p + 1) // 2,
    ),
    "diag": Shape(
        True,
        lambda squares, counts: squares / counts[:, None],
        lambda covariances, k: covariances,
        lambda k, p: k * p,
    ),
    "tied": Shape(
        False,
        lambda squares, counts: squares.sum(axis=0) / counts.sum(),
        lambda covariances, k: np.broadcast_to(covariances, (k, *covariances.shape)),
        lambda k, p: p * (p + 1) // 2,
    ),
}


def regularized(covariances: Array, diagonal: bool, amount: float) -> Array:
    """Return covariances with `amount` added to every variance."""
    if diagonal:
        return covariances + amount
    return covariances + amount * np.eye(covariances.shape[-1])


def whitening(covariances: Array, diagonal: bool) -> tuple[Array, Array]:
    """Return what makes each component's columns independent, and log determinants.

    Parameters
    ----------
    covariances : float64 array of shape (k, p, p), or (k, p) when `diagonal`

    Returns
    -------
    whiten : float64 array of the same shape
        Lower triangles W with ``W C W^T = 1``, or reciprocal deviations.
    log_det : float64 array of shape (k,)
        Logarithms of the determinants of W.

    Raises
    ------
    DataError
        When a covariance is singular.
    """
    if diagonal:
        lapack.require_finite(covariances)
        if not (covariances > 0.0).all():
            raise _singular(int(np.flatnonzero(~(covariances > 0.0).all(axis=1))[0]))
        whiten = 1.0 / np.sqrt(covariances)
        return whiten, np.log(whiten).sum(axis=1)
    whiten = np.empty(covariances.shape)
    for k, covariance in enumerate(covariances):
        lapack.require_finite(covariance)
        try:
            root = lapack.cholesky(covariance)
        except lapack.LinAlgError:
            raise _singular(k) from None
        whiten[k] = lapack.solve_triangular(root, np.eye(len(root)))
    return whiten, np.log(np.diagonal(whiten, axis1=1, axis2=2)).sum(axis=1)


def _singular(k: int) -> DataError:
    return DataError(
        f"the covariance of component {k} is singular: too few rows, or collinear columns; raise reg_covar, lower "
        "n_components, or choose covariance_type='diag'"
    )
