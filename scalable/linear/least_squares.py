"""Ordinary least squares and ridge regression, exact from one streamed pass."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from scalable.errors import DataError
from scalable.execution.executors import get_executor
from scalable.execution.reduction import run_reduction
from scalable.features.linear_column import EncoderOptions
from scalable.kernels.linear import losses
from scalable.linear.base import LinearEstimator
from scalable.linear.prepare import Prepared, prepare
from scalable.linear.solvers.diagnostics import diagnose
from scalable.linear.solvers.elastic_net_path import centred
from scalable.linear.solvers.gram import (
    REFINE_CONDITION,
    GramReduction,
    Moments,
    ResidualReduction,
    condition_number,
    free_coordinates,
    least_norm,
    solve_psd,
)
from scalable.linear.solvers.objective import Objective, penalty_factors
from scalable.linear.solvers.target_scale import target_scale
from scalable.models.linear import LinearModel
from scalable.models.supervised import Regressor

MAX_TERMS = 4096  # a Gram matrix of 128 MiB


class Ridge(Regressor, LinearEstimator):
    """Least squares with an l2 penalty: ``sum(w_i (y_i - z_i)^2) + alpha |coef|^2``.

    One pass accumulates the Gram matrix in float64; a second refines the solution when the
    condition number is above 1e4.

    Parameters
    ----------
    alpha : float
        Strength of the penalty, as in scikit-learn.
    fit_intercept : bool
        Whether to learn an intercept (never penalised).
    standardize : bool
        Whether the penalty is on coefficients per standard deviation rather than per raw unit.
    one_hot, n_bins, categorical, log, missing, n_workers, client
        As for `LogisticRegression`; hashed columns need `n_bins` of at most a few thousand here.

    Attributes
    ----------
    coef_ : array of shape (n_terms,)
        In raw units.
    intercept_ : float
    condition_number_ : float
        Of the standardised columns.
    diagnostics_ : Diagnostics
        R^2, residual deviation, standard errors and variance inflation factors; those of the data
        without the penalty.
    n_iter_ : int
        Passes over the data: 1, or 2 when refined.

    Examples
    --------
    >>> import numpy as np
    >>> from scalable.linear import Ridge
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> t = x @ [1.0, 2.0]
    >>> Ridge(alpha=1.0).fit(x, t).coef_.round(2)
    array([1.  , 1.99])
    """

    alpha: float = 1.0
    fit_intercept: bool = True
    standardize: bool = False
    n_bins: int = 2**10
    log: Any = False

    _positional: ClassVar[tuple[str, ...]] = ("alpha",)

    def _train(self, X: Any, y: Any, sample_weight: Any) -> None:
        """Solve from one pass, or two."""
        alpha = float(self.alpha)
        source, plain = self._source(X, y, sample_weight)
        with get_executor(self.client, self.n_workers) as executor:
            ready = prepare(source, executor, exact_options(self, plain), False, None)
            objective = squared_objective(ready, bool(self.fit_intercept), bool(self.standardize))
            totals = run_reduction(
                ready.executor, GramReduction(objective), ready.reader, label="train least squares"
            )
            coef = self._solve(totals, objective, ready, 2.0 * alpha)
        self._report(None)
        self._publish(LinearModel(ready.encoder, unscaled(coef[None], objective, ready), "identity"))

    def _solve(
        self, totals: Moments, objective: Objective, ready: Prepared, strength: float
    ) -> NDArray[np.float64]:
        """Return the coefficients that minimise half the weighted squares plus the penalty."""
        free = free_coordinates(objective, ready.encoder.n_columns)
        at = np.ix_(free, free)
        # The penalty is stated for raw targets and summed weights; moments hold scaled ones.
        ridge = 0.5 * strength / objective.weight_mean * objective.factors**2
        matrix = totals.gram[at] + np.diag(ridge[free])
        coef = np.zeros(len(objective.factors))
        coef[free] = solve_psd(matrix, totals.cross[free])
        self.condition_number_ = condition_number(totals.gram[at])
        self.n_iter_ = 1
        if strength == 0.0 and self.condition_number_ > 1e7:
            scales = np.concatenate(
                [ready.encoder.column_scales(), [np.inf], np.ones(ready.encoder.n_indices)]
            )
            coef[free] = least_norm(matrix, coef[free], scales[free])
        if self.condition_number_ > REFINE_CONDITION:
            gradient = run_reduction(
                ready.executor, ResidualReduction(objective, coef), ready.reader, label="refine"
            )
            coef[free] += solve_psd(matrix, gradient[free] - ridge[free] * coef[free])
            self.n_iter_ = 2
        scales = np.concatenate([ready.encoder.column_scales(), np.ones(ready.encoder.n_indices)])
        problem = centred(totals, objective, ready.encoder.n_columns)
        self.diagnostics_ = diagnose(totals, problem, coef, scales, objective.weight_mean)
        return coef


class LinearRegression(Ridge):
    """Ordinary least squares; the solution of least norm, in raw units, when it is not unique.

    Parameters and attributes are those of `Ridge` without the penalty.

    Examples
    --------
    >>> import numpy as np
    >>> from scalable.linear import LinearRegression
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> t = x @ [1.0, 2.0]
    >>> LinearRegression().fit(x, t).coef_.round(3)
    array([1., 2.])
    """

    alpha, standardize = 0.0, False  # fixed

    _positional = ()


def exact_options(estimator: LinearEstimator, plain: bool) -> EncoderOptions:
    """Return the column options of an estimator with float64 columns."""
    return replace(estimator._options(plain), dtype="float64")


def squared_objective(ready: Prepared, fit_intercept: bool, standardize: bool) -> Objective:
    """Return the squared-error objective of prepared rows, its target standardised.

    Raises
    ------
    DataError
        When the rows have too many terms for a Gram matrix.
    """
    factors = penalty_factors(ready.encoder, standardize)
    if len(factors) > MAX_TERMS:
        encoder = ready.encoder
        remedies = [
            *(["lower n_bins"] if encoder.n_buckets else []),
            *([f"lower one_hot ({encoder.n_known:,} of them are of categories)"] if encoder.n_known else []),
            "use SGDRegressor, which has no such limit",
        ]
        raise DataError(
            f"{len(factors):,} terms are too many for exact least squares (at most {MAX_TERMS:,}): "
            + ", or ".join(remedies)
        )
    target = ready.target
    mean, scale = target_scale(target)
    return Objective(
        losses.LOSSES["squared_error"].code,
        1.0,
        1,
        0.0,
        0.0,
        factors,
        target.weight / target.rows,
        (),
        shift=mean if fit_intercept else 0.0,
        scale=scale,
        fit_intercept=fit_intercept,
        rows=target.rows,
    )


def unscaled(coef: NDArray[np.float64], objective: Objective, ready: Prepared) -> NDArray[np.float64]:
    """Return coefficients for raw targets, shape (n_outputs, p)."""
    out = coef * objective.scale
    out[:, ready.encoder.n_columns] += objective.shift
    return out
