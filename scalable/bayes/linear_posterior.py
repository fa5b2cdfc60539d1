"""Bayesian least squares: the posterior of the coefficients, and of both variances the most evident, from one pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.utils.validation import check_is_fitted

from scalable import lapack
from scalable.data.block import Block
from scalable.errors import DataError, UsageError
from scalable.execution.executors import Executor
from scalable.execution.reader import BlockReader
from scalable.features.number_encoder import NumberEncoder
from scalable.features.target_summary import TargetSummary
from scalable.models.arrays.model import Arrays
from scalable.models.arrays.one_pass import OnePassRegressor
from scalable.models.arrays.second_moments import Moments, SecondMoments


@dataclass(frozen=True)
class Posterior(SecondMoments):
    """Reduction to the posterior under the most evident precisions (MacKay, 1992).

    Parameters
    ----------
    hyper : tuple of 4 floats
        Shape and rate of the gamma priors of the noise's and of the coefficients' precision.
    start : tuple of 2 floats or None
        Precisions to begin with.
    tol, max_iter, intercept : float, int, bool
        As of `BayesianRidge`.
    """

    hyper: tuple[float, ...] = (1e-6,) * 4
    start: tuple[float | None, float | None] = (None, None)
    tol: float = 1e-3
    max_iter: int = 300
    intercept: bool = True

    def finish(self, state: Moments) -> Any:
        """Return the arrays of the model."""
        n, mean, squares = state
        if n < 1.0:
            raise DataError(f"n_samples={n:g}: a posterior needs the weight of one row or more")
        if not self.intercept:
            squares, mean = squares + n * np.outer(mean, mean), np.zeros(len(mean))
        gram, cross, total = squares[:-1, :-1], squares[:-1, -1], squares[-1, -1]
        values, vectors = lapack.eigh(gram)
        values, along = np.maximum(values, 0.0), vectors.T @ cross
        a1, a2, l1, l2 = self.hyper
        variance = state[2][-1, -1] / n
        if not np.isfinite(variance):
            raise DataError(f"the target's variance is {variance:g}; scale the target")
        alpha = self.start[0] or 1.0 / (variance + np.finfo(float).eps)

        def fitted(alpha: float, prior: float) -> tuple[NDArray[np.float64], float]:
            b = along / (values + prior / alpha)
            return b, float(max(total - 2.0 * b @ along + b @ (values * b), 0.0))

        def evidence(alpha: float, prior: float, b: NDArray[np.float64], rest: float) -> float:
            """Return the log marginal likelihood, with the priors of the precisions (Bishop, 2006, 3.86)."""
            hyper = l1 * np.log(prior) - l2 * prior + a1 * np.log(alpha) - a2 * alpha
            fit = len(b) * np.log(prior) + n * np.log(alpha) - alpha * rest - prior * (b @ b)
            volume = np.log(prior + alpha * values).sum() + n * np.log(2.0 * np.pi)
            return float(hyper + 0.5 * (fit - volume))

        def climbed(alpha: float, prior: float) -> tuple[Any, float, float, list[float], bool]:
            """Return coefficients along the vectors, precisions, the evidence after each update, whether it ended."""
            scores: list[float] = []
            before, ended = None, False
            for _ in range(self.max_iter):
                b, rest = fitted(alpha, prior)
                scores.append(evidence(alpha, prior, b, rest))
                determined = float((alpha * values / (prior + alpha * values)).sum())
                prior = (determined + 2.0 * l1) / (float(b @ b) + 2.0 * l2)
                alpha = (n - determined + 2.0 * a1) / (rest + 2.0 * a2)
                if ended := before is not None and bool(np.abs(vectors @ (before - b)).sum() < self.tol):
                    break
                before = b
            b, rest = fitted(alpha, prior)
            return b, alpha, prior, [*scores, evidence(alpha, prior, b, rest)], ended

        b, alpha, prior, scores, ended = climbed(alpha, self.start[1] or 1.0)
        if self.start[1] is None and variance > 0.0 and values.max(initial=0.0) > 0.0:
            # Of a target in the millions, 1 says that all coefficients are 0, and no update leaves it.
            other = climbed(1.0 / (variance + np.finfo(float).eps), values.max() / n / variance)
            if other[3][-1] > scores[-1] + 1.0:
                b, alpha, prior, scores, ended = other
        coef = vectors @ b
        if not (np.isfinite(coef).all() and np.isfinite((alpha, prior)).all()):
            raise DataError(
                f"the target's variance is {variance:g}: the precisions are not finite; scale the target"
            )
        found = {
            "coef": coef, "intercept": mean[-1] - mean[:-1] @ coef, "alpha": alpha, "lambda": prior,
            "sigma": (vectors / (alpha * values + prior)) @ vectors.T, "offset": mean[:-1], "scores": scores,
            "n_iter": len(scores) - 1, "converged": ended,
        }  # fmt: skip
        return {name: np.array(value) for name, value in found.items()}


class BayesianRidge(OnePassRegressor):
    """Bayesian ridge regression as scikit-learn's, from one pass over rows that need not fit in memory.

    Coefficients are normal about zero, errors are normal; the precisions of both maximise the evidence. All of it
    follows from the second moments of the columns and the target.

    Parameters
    ----------
    max_iter, tol : int, float
        Most updates of the precisions (none reads a row), and the change of the coefficients that ends them.
    alpha_1, alpha_2, lambda_1, lambda_2 : float
        Shape and rate of the gamma priors of the noise's and of the coefficients' precision.
    alpha_init, lambda_init : float, optional
        Precisions to begin with; by default one over the target's variance, and 1, or what suits the target's scale
        where that ends at a greater evidence.
    fit_intercept : bool
        Whether to learn an intercept.
    n_workers, client
        As for every learner, see `scalable.models.estimator.Estimator`.

    Attributes
    ----------
    coef_, intercept_ : float64 arrays of shape (n_features,), ()
        Means of the posterior.
    sigma_ : float64 array of shape (n_features, n_features)
        Covariance of the posterior.
    alpha_, lambda_ : float64 arrays of shape ()
        Precision of the noise, of the coefficients.
    scores_ : float64 array
        Log evidence after each update.
    converged_ : bool
        Whether `tol` ended the updates.

    Examples
    --------
    >>> import numpy as np
    >>> from scalable.bayes import BayesianRidge
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> t = x @ [1.0, 2.0]
    >>> model = BayesianRidge().fit(x, t)
    >>> model.coef_.round(2)
    array([1., 2.])
    >>> model.credible_intervals(0.9).shape
    (2, 2)
    """

    max_iter: int = 300
    tol: float = 1e-3
    alpha_1: float = 1e-6
    alpha_2: float = 1e-6
    lambda_1: float = 1e-6
    lambda_2: float = 1e-6
    alpha_init: float | None = None
    lambda_init: float | None = None
    fit_intercept: bool = True
    _finite: ClassVar[Literal["allow-nan"] | bool] = True

    def _reduction(self, encoder: NumberEncoder, target: TargetSummary) -> Posterior:
        hyper = (self.alpha_1, self.alpha_2, self.lambda_1, self.lambda_2)
        start = (self.alpha_init, self.lambda_init)
        return Posterior(
            tuple(encoder.needed), True, hyper, start, self.tol, self.max_iter, self.fit_intercept
        )

    @staticmethod
    def scores(arrays: Arrays, block: Block) -> NDArray[np.float64]:
        """Return the means of the posterior predictive, shape (1, n_rows)."""
        out = np.full((1, block.n_rows), float(arrays["intercept"]))
        for column, weight in zip(block.columns, arrays["coef"], strict=True):
            out[0] += (
                weight * column
            )  # term by term: BLAS adds those of one row in another order than of many
        return out

    def _arrays(
        self, executor: Executor, reader: BlockReader, encoder: NumberEncoder, target: TargetSummary
    ) -> Arrays:
        """Return the arrays of the model; say so where the updates ended before they converged."""
        found = dict(super()._arrays(executor, reader, encoder, target))
        self._report(None if found.pop("converged") else f"{self.max_iter} updates, raise max_iter or tol")
        return found

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Return the means of the posterior predictive, and with `return_std` its standard deviations too."""
        mean = super().predict(X)
        return (mean, self._over_rows(X, _deviation)[0]) if return_std else mean

    def predict_interval(self, X: Any, level: float = 0.95) -> NDArray[np.float64]:
        """Return the central intervals of the posterior predictive, shape (n_rows, 2)."""
        mean, deviation = self.predict(X, return_std=True)
        return intervals(mean, deviation, level)

    def credible_intervals(self, level: float = 0.95) -> NDArray[np.float64]:
        """Return the central intervals of the coefficients, shape (n_features, 2)."""
        check_is_fitted(self)
        arrays = self.model_.arrays
        return intervals(arrays["coef"], np.sqrt(np.diag(arrays["sigma"])), level)


def _deviation(arrays: Arrays, block: Block) -> NDArray[np.float64]:
    centred = block.columns - arrays["offset"][:, None]
    variance = np.full((1, block.n_rows), 1.0 / float(arrays["alpha"]))
    for row, weights in zip(centred, arrays["sigma"], strict=True):
        variance[0] += row * sum(w * other for w, other in zip(weights, centred, strict=True))
    return np.asarray(np.sqrt(variance))


def intervals(mean: NDArray[np.float64], deviation: NDArray[np.float64], level: float) -> NDArray[np.float64]:
    """Return central intervals of normals, shape (n, 2)."""
    if not 0.0 < level < 1.0:
        raise UsageError(f"level must be between 0 and 1, not {level!r}")
    reach = float(stats.norm.ppf(0.5 + 0.5 * level)) * deviation
    return np.column_stack([mean - reach, mean + reach])
