"""Least squares from one streamed pass: the weighted Gram matrix and what is solved from it.

Columns arrive standardised by the encoder, in float64, so the matrix is centred to rounding and its
condition is that of the correlations. Where that condition is large, normal equations lose half the
digits; a second pass computes the exact residual gradient and one step of iterative refinement
restores them (Higham, "Accuracy and Stability of Numerical Algorithms", 2002, chapter 12).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scalable.data.block import Block
from scalable.kernels import descent, moments
from scalable.linear.newton import add_gram
from scalable.linear.task import Objective

REFINE_CONDITION = 1e4


@dataclass
class Moments:
    """Weighted second moments of rows ``[columns, 1, slots]`` and target.

    Attributes
    ----------
    gram : float64 array of shape (p, p)
    cross : float64 array of shape (p,)
        Rows times target.
    square : float
        Weighted sum of squared targets.
    weight, rows : float
        Sum of weights, number of rows.
    """

    gram: NDArray[np.float64]
    cross: NDArray[np.float64]
    square: float = 0.0
    weight: float = 0.0
    rows: int = 0

    def __add__(self, other: Moments) -> Moments:
        return Moments(
            self.gram + other.gram,
            self.cross + other.cross,
            self.square + other.square,
            self.weight + other.weight,
            self.rows + other.rows,
        )


@dataclass(frozen=True)
class GramFold:
    """Fold from encoded blocks to `Moments`.

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
        moments.add_gradient(block.columns, block.ids, w * y, state.cross)
        state.square += float(np.dot(w, y * y))
        state.weight += float(w.sum())
        state.rows += block.n_rows
        return state

    def merge(self, left: Moments, right: Moments) -> Moments:
        """Return the moments of the rows of both."""
        return left + right

    def finish(self, state: Moments) -> Moments:
        """Return the moments."""
        return state


@dataclass(frozen=True)
class ResidualFold:
    """Fold of the gradient ``rows' W (y - rows coef)`` at given coefficients, shape (p,)."""

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
        moments.add_gradient(block.columns, block.ids, residual, state)
        return state

    def merge(self, left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum."""
        return left + right

    def finish(self, state: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the gradient."""
        return state


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
    values = np.linalg.eigvalsh(scaled)
    smallest = max(float(values[0]), 0.0)
    return float(np.sqrt(values[-1] / smallest)) if smallest > 0.0 else float("inf")
