"""Lasso and elastic net, exact from one streamed pass."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.errors import UsageError, shown
from scalable.execution.executors import get_executor
from scalable.execution.reduction import run_reduction
from scalable.linear.base import LinearEstimator
from scalable.linear.least_squares import exact_options, squared_objective, unscaled
from scalable.linear.prepare import Prepared, prepare
from scalable.linear.solvers.elastic_net_path import alpha_grid, centred, elastic_net_path
from scalable.linear.solvers.gram import GramReduction, Moments
from scalable.linear.solvers.objective import Objective
from scalable.models.linear import LinearModel
from scalable.models.parameters import numbers_of
from scalable.models.supervised import Regressor


class _ElasticNetBase(Regressor, LinearEstimator):
    """Parameters of the elastic nets."""

    fit_intercept: bool = True
    max_iter: int = 100_000
    tol: float = 1e-20
    standardize: bool = False
    n_bins: int = 2**10
    log: Any = False

    def _report_sweeps(self, sweeps: NDArray[np.int64]) -> None:
        """Keep the sweeps of the strength that was chosen, and say when any took all it was given."""
        self.n_iter_ = int(sweeps[-1])
        short = int((sweeps >= self.max_iter).sum())
        self._report(
            f"{short} of {len(sweeps)} strengths took all max_iter={self.max_iter} sweeps; raise max_iter or tol"
            if short
            else None
        )


class ElasticNet(_ElasticNetBase):
    """Least squares with l1 and l2 penalties, from the Gram matrix of one pass.

    Minimises ``sum(w_i (y_i - z_i)^2) / (2 sum(w)) + alpha (l1_ratio |coef|_1 + (1 - l1_ratio) |coef|^2 / 2)``
    as scikit-learn does, by coordinate descent on the Gram matrix (Friedman, Hastie & Tibshirani, 2010).

    Parameters
    ----------
    alpha : float
        Strength of the penalty.
    l1_ratio : float
        Share of l1.
    max_iter : int
        Most sweeps over the coefficients (in memory, not over the data).
    tol : float
        Stop when no coefficient changes the objective by more than this share of the target's variance.
    fit_intercept, standardize, one_hot, n_bins, categorical, log, missing, n_workers, client
        As for `Ridge`.

    Attributes
    ----------
    coef_, intercept_
        As for `Ridge`.
    n_iter_ : int
        Sweeps.

    Examples
    --------
    >>> import numpy as np
    >>> from scalable.linear import ElasticNet
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> t = x @ [1.0, 2.0]
    >>> ElasticNet(alpha=0.1, l1_ratio=0.5).fit(x, t).coef_.round(1)
    array([0.9, 1.9])
    """

    alpha: float = 1.0
    l1_ratio: float = 0.5

    _positional = ("alpha",)

    def _train(self, X: Any, y: Any, sample_weight: Any) -> None:
        """Solve from one pass."""
        alpha, ratio = float(self.alpha), float(self.l1_ratio)
        ready, objective, totals = gather(self, X, y, sample_weight, GramReduction)
        problem = centred(totals, objective, ready.encoder.n_columns)
        path = elastic_net_path(problem, np.array([alpha]), ratio, int(self.max_iter), float(self.tol))
        self._report_sweeps(path.sweeps)
        self._publish(finished(path.coef[:, 0], objective, ready))


class Lasso(ElasticNet):
    """Least squares with an l1 penalty: `ElasticNet` with ``l1_ratio=1``; same parameters otherwise.

    Examples
    --------
    >>> import numpy as np
    >>> from scalable.linear import Lasso
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> t = x @ [1.0, 2.0]
    >>> Lasso(alpha=1.5).fit(x, t).coef_.round(1)
    array([0. , 0.6])
    """

    l1_ratio = 1.0  # fixed


class ElasticNetCV(_ElasticNetBase):
    """Elastic net whose strength is chosen by cross-validation, all from a single pass.

    The pass keeps one Gram matrix a fold; the training rows of a fold are the sum of the others, and
    its error is a quadratic form of its own, so no row is read again for any fold or strength.

    Parameters
    ----------
    l1_ratio : float
        Share of l1.
    n_alphas : int
        Strengths on the path, from the least that zeroes everything down to `eps` times that.
    eps : float
        Length of the path.
    alphas : array, optional
        The strengths themselves, in place of `n_alphas` and `eps`.
    cv : int
        Folds; row i belongs to fold i modulo `cv`.
    fit_intercept, max_iter, tol, standardize, one_hot, n_bins, categorical, log, missing, n_workers, client
        As for `ElasticNet`.

    Attributes
    ----------
    alpha_ : float
        The chosen strength.
    alphas_ : array of shape (n_alphas,)
    mse_path_ : array of shape (n_alphas, cv)
        Mean squared error of each fold.
    coef_, intercept_
        Of all rows at `alpha_`.

    Examples
    --------
    >>> import numpy as np
    >>> from scalable.linear import ElasticNetCV
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> t = x @ [1.0, 2.0]
    >>> ElasticNetCV().fit(x, t).coef_.round(1)
    array([1., 2.])
    """

    l1_ratio: float = 0.5
    n_alphas: int = 100
    eps: float = 1e-3
    alphas: Any = None
    cv: int = 5

    def _train(self, X: Any, y: Any, sample_weight: Any) -> None:
        """Choose the strength and solve, from one pass."""
        from scalable.linear.solvers.elastic_net_path import CrossValidationGrams

        given = self._strengths()
        ready, objective, folds = gather(
            self, X, y, sample_weight, lambda objective: CrossValidationGrams(objective, int(self.cv))
        )
        if ready.target.rows < self.cv:
            raise UsageError(f"cv={self.cv} folds need as many rows; there are {ready.target.rows} sample(s)")
        n_columns = ready.encoder.n_columns
        total = folds[0]
        for part in folds[1:]:
            total = total + part
        whole = centred(total, objective, n_columns)
        ratio, sweeps, tol = float(self.l1_ratio), int(self.max_iter), float(self.tol)
        alphas = alpha_grid(whole, ratio, int(self.n_alphas), float(self.eps)) if given is None else given
        errors = np.empty((len(alphas), len(folds)))
        for k, held in enumerate(folds):
            others = [part for i, part in enumerate(folds) if i != k]
            rest = others[0]
            for part in others[1:]:
                rest = rest + part
            path = elastic_net_path(centred(rest, objective, n_columns), alphas, ratio, sweeps, tol)
            errors[:, k] = [held.mean_squared_error(path.coef[:, i]) for i in range(len(alphas))]
        self.mse_path_ = errors * (objective.scale * objective.scale)  # infinite, and no error of Python
        self.alphas_ = alphas
        best = int(errors.mean(axis=1).argmin())
        self.alpha_ = float(alphas[best])
        path = elastic_net_path(whole, alphas[: best + 1], ratio, sweeps, tol)
        self._report_sweeps(path.sweeps)
        self._publish(finished(path.coef[:, -1], objective, ready))

    def _strengths(self) -> NDArray[np.float64] | None:
        """Return the strengths that were given, from the largest on."""
        if self.alphas is None:
            return None
        alphas = numbers_of("alphas", self.alphas)
        if alphas.ndim != 1 or not alphas.size or not ((alphas >= 0.0) & (alphas < np.inf)).all():
            raise UsageError(
                f"alphas must be one or more numbers, finite and not negative, not {shown(self.alphas)}"
            )
        return np.sort(alphas)[::-1]


def gather(
    estimator: Any, X: Any, y: Any, sample_weight: Any, reduction_of: Any
) -> tuple[Prepared, Objective, Any]:
    """Run a Gram reduction over the rows that were passed to an estimator's ``fit``."""
    source, plain = estimator._source(X, y, sample_weight)
    with get_executor(estimator.client, estimator.n_workers) as executor:
        ready = prepare(source, executor, exact_options(estimator, plain), False, None)
        objective = squared_objective(ready, bool(estimator.fit_intercept), bool(estimator.standardize))
        label = f"train {type(estimator).__name__}"
        totals: Moments = run_reduction(ready.executor, reduction_of(objective), ready.reader, label=label)
    return ready, objective, totals


def finished(coef: NDArray[np.float64], objective: Objective, ready: Prepared) -> LinearModel:
    """Return the model of coefficients for scaled targets."""
    return LinearModel(ready.encoder, unscaled(coef[None], objective, ready), "identity")
