"""Least squares from one streamed pass: the weighted Gram matrix and what is solved from it.

Columns arrive standardised by the encoder, in float64, so the matrix is centred to rounding and its
condition is that of the correlations. Where that condition is large, normal equations lose half the
digits; a second pass computes the exact residual gradient and one step of iterative refinement
restores them (Higham, "Accuracy and Stability of Numerical Algorithms", 2002, chapter 12).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable import lapack
from scalable.data.block import Block
from scalable.kernels.buffers import take
from scalable.kernels.linear import sgd as descent
from scalable.kernels.moments import gram as moments
from scalable.linear.solvers.objective import Objective

REFINE_CONDITION = 1e4


def add_gram(
    columns: NDArray[Any], ids: NDArray[np.int32], weight: NDArray[np.float64], out: NDArray[np.float64]
) -> None:
    """Add the weighted Gram matrix of ``[columns; 1; indices]`` to `out`, shape (p, p).

    Weights are non-negative; products of a chunk have the precision of `columns`, sums are float64.
    """
    d = columns.shape[0] + 1
    moments.add_gram(columns, weight, take(moments.scaled_shape(d - 1), columns.dtype), out)
    if len(ids):
        cross = np.zeros((out.shape[0] - d, d))
        square = np.zeros((out.shape[0] - d, out.shape[0] - d))
        moments.add_category_moments(columns, ids, weight, cross, square)
        out[:d, d:] += cross.T
        out[d:, :d] += cross
        out[d:, d:] += square + square.T - np.diag(np.diag(square))


def add_gradient(
    columns: NDArray[Any], ids: NDArray[np.int32], r: NDArray[np.float64], out: NDArray[np.float64]
) -> None:
    """Add ``[columns; 1; indices] @ r`` to `out`, shape (p,), in float64."""
    moments.add_gradient(columns, ids, r, out)


def solve_psd(matrix: NDArray[np.float64], rhs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve a positive semidefinite system; the least-norm solution when it is singular.

    Rows and columns are first scaled to a unit diagonal, so that the units of columns do not decide
    what counts as singular.

    Raises
    ------
    DataError
        When it is not finite.
    """
    lapack.require_finite(matrix, rhs)
    diagonal = np.sqrt(np.maximum(np.diag(matrix), 0.0))
    scale = np.where(diagonal > 0.0, 1.0 / np.where(diagonal > 0.0, diagonal, 1.0), 0.0)
    scaled = matrix * scale[:, None] * scale
    try:
        factor = lapack.cho_factor(scaled)
        pivots = np.diag(factor[0])
        if pivots.min() > 1e-7 * max(1.0, pivots.max()):
            return np.asarray(scale * lapack.cho_solve(factor, scale * rhs))
    except lapack.LinAlgError:
        pass
    values, vectors = lapack.eigh(scaled)
    kept = values > len(values) * np.finfo(float).eps * max(values.max(), 1e-300)
    inverse = np.where(kept, 1.0 / np.where(kept, values, 1.0), 0.0)
    return np.asarray(scale * (vectors @ (inverse * (vectors.T @ (scale * rhs)))))


@dataclass
class Moments:
    """Weighted second moments of rows ``[columns, 1, indices]`` and target.

    Attributes
    ----------
    gram : float64 array of shape (p, p)
    cross : float64 array of shape (p,)
        Rows times target.
    square : float
        Weighted sum of squared targets.
    weight, rows : float
        Sum of weights, number of rows that have any.
    """

    gram: NDArray[np.float64]
    cross: NDArray[np.float64]
    square: float = 0.0
    weight: float = 0.0
    rows: int = 0

    def mean_squared_error(self, coef: NDArray[np.float64]) -> float:
        """Return the weighted mean squared error of coefficients, shape (p,), on these rows."""
        squares = self.square - 2.0 * float(self.cross @ coef) + float(coef @ self.gram @ coef)
        return max(squares, 0.0) / self.weight

    def __add__(self, other: Moments) -> Moments:
        return Moments(
            self.gram + other.gram,
            self.cross + other.cross,
            self.square + other.square,
            self.weight + other.weight,
            self.rows + other.rows,
        )


@dataclass(frozen=True)
class GramReduction:
    """Reduction from encoded blocks to `Moments`.

    Parameters
    ----------
    objective : Objective
        Says how targets and weights are read.
    """

    objective: Objective

    def init(self) -> Moments:
        """Return zero moments."""
        p = len(self.objective.factors)
        return Moments(np.zeros((p, p)), np.zeros(p))

    def step(self, state: Moments, block: Block) -> Moments:
        """Add a block."""
        y, w = self.objective.target(block), self.objective.weight(block)
        add_gram(block.columns, block.ids, w, state.gram)
        add_gradient(block.columns, block.ids, w * y, state.cross)
        state.square += float(np.dot(w, y * y))
        state.weight += float(w.sum())
        state.rows += int(np.count_nonzero(w))
        return state

    def merge(self, left: Moments, right: Moments) -> Moments:
        """Return the moments of the rows of both."""
        return left + right

    def finish(self, state: Moments) -> Moments:
        """Return the moments."""
        return state


@dataclass(frozen=True)
class ResidualReduction:
    """Reduction of the gradient ``rows' W (y - rows coef)`` at given coefficients, shape (p,)."""

    objective: Objective
    coef: NDArray[np.float64]

    def init(self) -> NDArray[np.float64]:
        """Return zeros."""
        return np.zeros(len(self.coef))

    def step(self, state: NDArray[np.float64], block: Block) -> NDArray[np.float64]:
        """Add a block."""
        z = np.empty((1, block.n_rows), block.columns.dtype)
        descent.predict(block.columns, block.ids, self.coef[None].astype(block.columns.dtype), z)
        residual = self.objective.weight(block) * (self.objective.target(block) - z[0])
        add_gradient(block.columns, block.ids, residual, state)
        return state

    def merge(self, left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum."""
        return left + right

    def finish(self, state: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the gradient."""
        return state


def least_norm(
    matrix: NDArray[np.float64], solution: NDArray[np.float64], scales: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the solution of a singular system whose ``solution / scales`` is shortest.

    Parameters
    ----------
    matrix : float64 array of shape (p, p)
        Positive semidefinite.
    solution : float64 array of shape (p,)
        Any solution.
    scales : float64 array of shape (p,)
        Raw units per unit of each coefficient's column; infinite for what has no norm (the intercept).
    """
    diagonal = np.sqrt(np.maximum(np.diag(matrix), 0.0))
    unit = np.where(diagonal > 0.0, 1.0 / np.where(diagonal > 0.0, diagonal, 1.0), 1.0)
    values, vectors = lapack.eigh(matrix * unit[:, None] * unit)
    kernel = unit[:, None] * vectors[:, values <= len(values) * np.finfo(float).eps * values.max()]
    if not kernel.shape[1]:
        return solution
    raw = kernel / scales[:, None]
    return np.asarray(solution - kernel @ lapack.least_squares(raw, solution / scales))


def free_coordinates(objective: Objective, n_columns: int) -> NDArray[np.bool_]:
    """Return which coefficients may differ from zero."""
    free = np.ones(len(objective.factors), bool)
    free[n_columns] = objective.fit_intercept
    return free


def condition_number(gram: NDArray[np.float64]) -> float:
    """Return the condition number of the rows whose Gram matrix this is, columns scaled to unit norm."""
    diagonal = np.sqrt(np.maximum(np.diag(gram), 0.0))
    kept = diagonal > 0.0
    if not kept.any():
        return 1.0
    scaled = gram[np.ix_(kept, kept)] / np.outer(diagonal[kept], diagonal[kept])
    values = lapack.eigvalsh(scaled)
    smallest = max(float(values[0]), 0.0)
    return float(np.sqrt(values[-1] / smallest)) if smallest > 0.0 else float("inf")
