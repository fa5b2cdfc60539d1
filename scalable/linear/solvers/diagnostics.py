"""What a least-squares fit says about itself, from the moments it was solved with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scalable import lapack
from scalable.linear.solvers.elastic_net_path import Quadratic
from scalable.linear.solvers.gram import Moments, solve_psd

DETERMINED = 1e-10  # of a column's unit vector, squared, that may lie by rounding in what no row shows


@dataclass(frozen=True)
class Diagnostics:
    """Diagnostics of a least-squares fit.

    Attributes
    ----------
    r2 : float
        Share of the (centred) weighted squares of the target that is explained.
    residual_deviation : float
        ``sqrt(sum(w r^2) / (rows - rank))``, in units of the target: that of a row of weight 1. Rows are those of any
        weight.
    standard_errors : float64 array of shape (n_columns + n_indices,)
        Of the coefficients in raw units, under independent errors of variance 1 / weight up to a factor, as
        statsmodels' WLS; whatever the unit of the weights. NaN where a coefficient is not determined.
    inflation : float64 array of shape (n_columns + n_indices,)
        Variance inflation factors ``1 / (1 - R^2_j)`` of each column on the others; infinite for a
        column that the others determine.
    rank : int
        Rank of the centred columns, the intercept counted.
    """

    r2: float
    residual_deviation: float
    standard_errors: NDArray[np.float64]
    inflation: NDArray[np.float64]
    rank: int


def diagnose(
    totals: Moments,
    problem: Quadratic,
    coef: NDArray[np.float64],
    scales: NDArray[np.float64],
    weight_mean: float,
) -> Diagnostics:
    """Compute diagnostics.

    Parameters
    ----------
    totals : Moments
        Of all rows, in scaled units.
    problem : Quadratic
        The same, centred.
    coef : float64 array of shape (p,)
        Solution in scaled units, intercept included.
    scales : float64 array of shape (p - 1,)
        Raw units per unit of each column, the intercept left out.
    weight_mean : float
        Weight per unit of the weights in `totals`.
    """
    keep = np.arange(len(coef)) != problem.intercept
    hessian = problem.hessian[np.ix_(keep, keep)]
    diagonal = np.sqrt(np.maximum(np.diag(hessian), 0.0))
    varies = diagonal > 0.0
    unit = np.where(varies, diagonal, 1.0)
    correlation = hessian / unit[:, None] / unit
    values = lapack.eigvalsh(correlation) if len(unit) else np.zeros(0)
    centred_rank = int((values > len(unit) * np.finfo(float).eps * values.max(initial=0.0)).sum())
    rank = centred_rank + int(problem.means[problem.intercept] > 0.0)  # 1 where there is an intercept
    inverse = np.full(len(unit), np.inf)
    at = np.ix_(varies, varies)
    if varies.any() and centred_rank == int(varies.sum()):
        inverse[varies] = np.diag(solve_psd_matrix(correlation[at]))
    elif varies.any():
        inverse[varies] = determined(correlation[at])
    squares = totals.mean_squared_error(coef) * totals.weight
    spread = totals.square - totals.weight * problem.target_mean**2
    variance = squares / max(totals.rows - rank, 1)
    with np.errstate(invalid="ignore"):
        errors = np.sqrt(variance * inverse / totals.weight) / unit / scales * problem.scale
    return Diagnostics(
        1.0 - squares / spread if spread > 0.0 else 0.0,
        float(np.sqrt(variance * weight_mean)) * problem.scale,
        np.where(np.isfinite(inverse), errors, np.nan),
        inverse,
        rank,
    )


def determined(correlation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the diagonal of the inverse of a singular matrix, infinite for coefficients that are not determined.

    A coefficient is determined when no combination of columns that is 0 for all rows contains its own (Searle, "Linear
    Models", 1971: it is estimable); the diagonal of the pseudo-inverse is then its variance.
    """
    values, vectors = lapack.eigh(correlation)
    free = values <= len(values) * np.finfo(float).eps * values.max()
    share = np.einsum("ij,ij->i", vectors[:, free], vectors[:, free])
    kept = vectors[:, ~free]
    return np.where(share < DETERMINED, np.einsum("ij,j,ij->i", kept, 1.0 / values[~free], kept), np.inf)


def solve_psd_matrix(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the inverse of a positive definite matrix, column by column."""
    return np.column_stack([solve_psd(matrix, column) for column in np.eye(len(matrix))])
