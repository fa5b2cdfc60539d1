"""How much two categories together tell of the target that each alone does not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scalable.features.target_encoding.shrinkage import prior_rows

_ROUNDS = 20


def alone(counts: NDArray[np.float64], sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the means of cells as rows and columns of the table explain them.

    The product of an effect of the row and one of the column that reproduces all margins (iterative proportional
    fitting, Deming and Stephan, 1940) where no sum is negative; otherwise their sum, by least squares.

    Parameters
    ----------
    counts, sums : float64 arrays of shape (n_first, n_second)
        Rows of each cell and their target sums.
    """
    shape = counts.shape
    if sums.min() >= 0.0 and sums.sum() > 0.0:
        fitted = np.ones(shape)
        for _ in range(_ROUNDS):
            for axis in (1, 0):
                made = (fitted * counts).sum(axis=axis, keepdims=True)
                fitted = fitted * np.divide(
                    sums.sum(axis=axis, keepdims=True), made, out=np.ones_like(made), where=made > 0.0
                )
        return fitted
    first, second = np.zeros((shape[0], 1)), np.zeros((1, shape[1]))
    for _ in range(_ROUNDS):
        rest = (sums - counts * second).sum(axis=1, keepdims=True)
        first = rest / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
        rest = (sums - counts * first).sum(axis=0, keepdims=True)
        second = rest / np.maximum(counts.sum(axis=0, keepdims=True), 1.0)
    return np.asarray(first + second)


def interaction(
    counts: NDArray[np.integer], sums: NDArray[np.number], shape: tuple[int, int]
) -> tuple[float, float]:
    """Return how well interactions can be known, and how much of the differences between cells they are.

    Parameters
    ----------
    counts, sums : arrays of shape (n_first * n_second, n_folds)
        Rows and target sums of each cell, by fold.
    shape : tuple of int
        ``(n_first, n_second)``.

    Returns
    -------
    reliability : float
        Of a cell's interaction as a row finds it, in [0, 1).
    share : float
        Variance of interactions over the variance of the cells' means.
    """
    rows = counts.sum(axis=1, dtype=np.float64)
    total = sums.sum(axis=1, dtype=np.float64)
    if not rows.sum():
        return 0.0, 0.0
    expected = alone(rows.reshape(shape), total.reshape(shape)).reshape(-1, 1)
    weight = prior_rows(counts, sums - counts * expected, 0.0)
    all_differences = prior_rows(counts, np.asarray(sums, np.float64), float(total.sum() / rows.sum()))
    typical = float((rows**2).sum() / rows.sum())
    return typical / (typical + weight), all_differences / weight
