"""The elastic-net path on Gram matrices, and Gram matrices of all cross-validation folds in one pass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scalable.data.block import Block
from scalable.kernels.linear.coordinate import minimize_quadratic
from scalable.linear.solvers.gram import GramReduction, Moments, free_coordinates
from scalable.linear.solvers.objective import Objective


@dataclass(frozen=True)
class CrossValidationGrams:
    """Reduction to one `Moments` per cross-validation fold; row i of the dataset belongs to fold i mod k.

    Parameters
    ----------
    objective : Objective
        Says how targets and weights are read.
    n_folds : int
        The k above.
    """

    objective: Objective
    n_folds: int

    def init(self) -> list[Moments]:
        """Return zero moments."""
        return [GramReduction(self.objective).init() for _ in range(self.n_folds)]

    def step(self, state: list[Moments], block: Block) -> list[Moments]:
        """Add a block."""
        gram = GramReduction(self.objective)
        for k in range(self.n_folds):
            rows = slice((k - block.first_row) % self.n_folds, None, self.n_folds)
            part = Block(
                np.ascontiguousarray(block.columns[:, rows]),  # type: ignore[arg-type]  # keeps its dtype
                np.ascontiguousarray(block.ids[:, rows]),
                None if block.label is None else block.label[rows],
                None if block.weight is None else block.weight[rows],
                block.first_row,
            )
            if part.n_rows:
                state[k] = gram.step(state[k], part)
        return state

    def merge(self, left: list[Moments], right: list[Moments]) -> list[Moments]:
        """Return the moments of the rows of both."""
        return [a + b for a, b in zip(left, right, strict=True)]

    def finish(self, state: list[Moments]) -> list[Moments]:
        """Return the moments."""
        return state


@dataclass(frozen=True)
class Quadratic:
    """Least squares per unit weight with the intercept eliminated.

    Attributes
    ----------
    hessian : float64 array of shape (p, p)
        Centred second moments; zero in the intercept's row and column.
    cross : float64 array of shape (p,)
        Centred moments with the target.
    means : float64 array of shape (p,)
        What was subtracted from each column.
    target_mean : float
    factors : float64 array of shape (p,)
        Penalty factors.
    intercept : int
        Place of the intercept.
    free : bool array of shape (p,)
        Coefficients on the path.
    scale : float
        Standard deviation of the raw target in units of the moments' own.
    """

    hessian: NDArray[np.float64]
    cross: NDArray[np.float64]
    means: NDArray[np.float64]
    target_mean: float
    factors: NDArray[np.float64]
    intercept: int
    free: NDArray[np.bool_]
    scale: float


@dataclass(frozen=True)
class Path:
    """Coefficients, shape (p, n_alphas), intercept included, and the sweeps each took."""

    coef: NDArray[np.float64]
    sweeps: NDArray[np.int64]


def centred(totals: Moments, objective: Objective, n_columns: int) -> Quadratic:
    """Return the least-squares problem of moments, centred when there is an intercept."""
    gram, cross = totals.gram / totals.weight, totals.cross / totals.weight
    free = free_coordinates(objective, n_columns)
    means, target_mean = np.zeros(len(cross)), 0.0
    if objective.fit_intercept:
        means, target_mean = gram[n_columns].copy(), float(cross[n_columns])
        gram = gram - np.outer(means, means)
        cross = cross - means * target_mean
        free[n_columns] = False
    return Quadratic(gram, cross, means, target_mean, objective.factors, n_columns, free, objective.scale)


def elastic_net_path(
    problem: Quadratic, alphas: NDArray[np.float64], l1_ratio: float, max_sweeps: int, tol: float
) -> Path:
    """Solve for decreasing strengths, each from the solution of the one before.

    Parameters
    ----------
    problem : Quadratic
        What is fitted.
    alphas : array of shape (n_alphas,)
        Strengths in units of the raw target, as scikit-learn states them.
    l1_ratio : float
        Share of l1.
    max_sweeps, tol
        See `minimize_quadratic`.
    """
    p = len(problem.cross)
    w = np.zeros(p)
    coef = np.zeros((p, len(alphas)))
    sweeps = np.zeros(len(alphas), np.int64)
    f = problem.factors
    for k, alpha in enumerate(alphas):
        l1 = alpha * l1_ratio / problem.scale * f
        hessian = problem.hessian + np.diag(alpha * (1.0 - l1_ratio) * f * f)
        sweeps[k] = minimize_quadratic(hessian, -problem.cross, l1, problem.free, max_sweeps, tol, w)
        coef[:, k] = w
        if not problem.free[problem.intercept]:
            coef[problem.intercept, k] = problem.target_mean - float(problem.means @ w)
    return Path(coef, sweeps)


def alpha_grid(problem: Quadratic, l1_ratio: float, n_alphas: int, eps: float) -> NDArray[np.float64]:
    """Return strengths from the least that zeroes all coefficients down to `eps` times that."""
    ratio = max(l1_ratio, 1e-3)
    f = np.where(problem.factors > 0.0, problem.factors, np.inf)
    largest = float((np.abs(problem.cross) / f)[problem.free].max(initial=0.0)) * problem.scale / ratio
    if largest <= np.finfo(float).resolution:
        return np.full(n_alphas, np.finfo(float).resolution)
    return np.geomspace(largest, largest * eps, n_alphas)
