"""Bayesian logistic regression: a normal posterior about the mode (Laplace), and the most evident prior."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special
from sklearn.utils.validation import check_is_fitted

from scalable import lapack
from scalable.bayes.linear_posterior import intervals
from scalable.data.block import Block
from scalable.errors import DataError, UsageError
from scalable.execution.executors import Executor
from scalable.execution.iterate import Iterate, iterate
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import run_reduction
from scalable.features.number_encoder import NumberEncoder
from scalable.features.target_summary import TargetSummary
from scalable.models.arrays.model import Arrays, complete
from scalable.models.arrays.one_pass import OnePassClassifier

Sums = tuple[float, NDArray[np.float64], NDArray[np.float64]]  # loss, gradient, Hessian


@dataclass(frozen=True)
class LogisticSums:
    """Reduction to the log loss of coefficients, intercept last, with its gradient and Hessian.

    Parameters
    ----------
    coef : float64 array of shape (p + 1,)
    names : tuple of str
        Columns, for messages.
    """

    coef: NDArray[np.float64]
    names: tuple[str, ...]

    def init(self) -> Sums:
        """Return zeros."""
        p = len(self.coef)
        return 0.0, np.zeros(p), np.zeros((p, p))

    def step(self, state: Sums, block: Block) -> Sums:
        """Add a block."""
        assert block.label is not None
        x = np.vstack([complete(block, self.names), np.ones(block.n_rows)])
        weight = np.ones(block.n_rows) if block.weight is None else block.weight
        z = self.coef @ x
        p = special.expit(z)
        loss = float(weight @ (np.logaddexp(0.0, z) - block.label * z))
        return self.merge(
            state, (loss, x @ (weight * (p - block.label)), (x * (weight * p * (1.0 - p))) @ x.T)
        )

    def merge(self, left: Sums, right: Sums) -> Sums:
        """Return the sums of both."""
        return left[0] + right[0], left[1] + right[1], left[2] + right[2]

    def finish(self, state: Sums) -> Sums:
        """Return the sums."""
        return state


@dataclass(frozen=True, kw_only=True)
class Mode(Iterate):
    """Coefficients to look at, those of the best objective, the way between, and the prior's precision."""

    coef: NDArray[np.float64]
    best: NDArray[np.float64]
    prior: float
    share: float = 1.0
    sigma: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    evidence: float = -np.inf


@dataclass(frozen=True)
class Laplace:
    """Newton's steps to the mode; there, where the prior is to be learned, MacKay's step of its precision.

    Parameters
    ----------
    names : tuple of str
    tol : float
        Squared Newton decrement, relative to the objective, that ends the steps.
    learned : bool
        Whether the precision of the prior is learned.
    """

    names: tuple[str, ...]
    tol: float
    learned: bool

    def reduction(self, state: Mode) -> LogisticSums:
        """Return the sums at the state's coefficients."""
        return LogisticSums(state.coef, self.names)

    def update(self, state: Mode, sums: Sums) -> Mode:
        """Step towards the mode, half as far where the last step went up; or end, or move the prior."""
        w = state.coef[:-1]
        value = sums[0] + 0.5 * state.prior * float(w @ w)
        if value > state.objective + 1e-12 * abs(state.objective):
            share = 0.5 * state.share
            coef = state.best + 0.5 * (state.coef - state.best)
            return replace(state, coef=coef, share=share, stuck=share < 1e-6)
        penalty = np.r_[np.full(len(w), state.prior), 0.0]
        hessian = sums[2] + np.diag(penalty)
        factor = lapack.cho_factor(hessian + 1e-14 * np.trace(hessian) * np.eye(len(hessian)))
        gradient = sums[1] + penalty * state.coef
        step = -lapack.cho_solve(factor, gradient)
        near = replace(state, objective=value, best=state.coef, coef=state.coef + step, share=1.0)
        if -float(gradient @ step) > self.tol * max(value, 1e-3):
            return near
        sigma = _covariance(hessian)
        volume = 2.0 * float(np.log(np.diag(factor[0])).sum())  # logarithm of the determinant
        evidence = -value + 0.5 * len(w) * np.log(state.prior) - 0.5 * volume + 0.5 * np.log(2.0 * np.pi)
        known = replace(near, coef=state.coef, sigma=sigma, evidence=float(evidence))
        determined = len(w) - state.prior * float(np.trace(sigma[:-1, :-1]))
        prior = determined / max(float(w @ w), 1e-12)
        if not self.learned or abs(prior - state.prior) <= 1e-4 * state.prior or prior > 1e8:
            return replace(known, converged=True)
        return replace(near, prior=prior, objective=np.inf, coef=state.coef + step)


def _covariance(hessian: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the inverse of the curvature, or say in a DataError that there is none."""
    try:
        return lapack.inv(hessian)
    except lapack.LinAlgError as error:
        raise DataError(
            "the posterior has no covariance: the columns are constant or collinear, and the prior that was learned of "
            "them holds nothing back; leave such columns out, or give prior a positive precision"
        ) from error


class BayesianLogisticRegression(OnePassClassifier):
    """Logistic regression with a normal prior of its coefficients and Laplace's posterior; a pass a step.

    Probabilities are averages over the posterior (MacKay, 1992, "The evidence framework applied to classification"),
    so they are nearer to one half where rows say little. Two classes only.

    Parameters
    ----------
    prior : float or None
        Precision of the coefficients' prior: 1 / variance, in units of one over the columns'. None learns it by
        maximising the evidence. The intercept has none.
    max_iter, tol : int, float
        Most passes; squared Newton decrement, relative to the objective, that ends the steps.
    n_workers, client
        As for every learner, see `scalable.models.estimator.Estimator`.

    Attributes
    ----------
    coef_, intercept_ : float64 arrays of shape (n_features,), ()
        The mode.
    sigma_ : float64 array of shape (n_features + 1, n_features + 1)
        Covariance of the posterior, the intercept last.
    prior_precision_, evidence_ : float64 arrays of shape ()
        Of the prior; log marginal likelihood (the improper prior of the intercept taken as 1).
    n_iter_ : int
        Passes.

    Examples
    --------
    >>> import numpy as np
    >>> from scalable.bayes import BayesianLogisticRegression
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> y = x[:, 0] > 0.0
    >>> BayesianLogisticRegression().fit(x, y).score(x, y) > 0.9
    True
    """

    prior: float | None = None
    max_iter: int = 100
    tol: float = 1e-12
    _finite: ClassVar[Literal["allow-nan"] | bool] = True

    def _reduction(self, encoder: NumberEncoder, target: TargetSummary) -> Any:
        """Return the sums at the start; the steps are in `_arrays`."""
        return LogisticSums(np.zeros(len(encoder.needed) + 1), tuple(encoder.needed))

    def _arrays(
        self, executor: Executor, reader: BlockReader, encoder: NumberEncoder, target: TargetSummary
    ) -> Arrays:
        if self.prior is not None and not self.prior > 0.0:
            raise UsageError(f"prior must be a positive precision or None, not {self.prior!r}")
        if len(target.classes) != 2:
            raise DataError(
                f"Only binary classification is supported: the target has {len(target.classes)} classes, take "
                "LogisticRegression for more than two"
            )
        names, weight = tuple(encoder.needed), np.asarray(target.class_weight)
        if weight.min() <= 0.0:
            label = target.classes[int(weight.argmin())]
            raise DataError(f"class {label!r} has no row of any weight; leave it out or give it weight")
        coef = np.r_[np.zeros(len(names)), np.log(weight[1] / weight[0])]
        start = Mode(coef=coef, best=coef, prior=1.0 if self.prior is None else float(self.prior))
        done = iterate(
            executor, Laplace(names, self.tol, self.prior is None), start, reader, max_iter=self.max_iter,
            stage="laplace", label=f"train {type(self).__name__}",
        )  # fmt: skip
        state = done.state
        self._report(None if done.converged else f"{done.n_iter} passes, raise max_iter or tol")
        if not state.converged:  # the posterior about where it stopped
            hessian = run_reduction(executor, LogisticSums(state.best, names), reader)[2]
            ridge = np.diag(np.r_[np.full(len(names), state.prior), 0.0])
            state = replace(state, coef=state.best, sigma=_covariance(hessian + ridge))
        found = {
            "coef": state.coef[:-1], "intercept": state.coef[-1], "sigma": state.sigma, "n_iter": done.n_iter,
            "prior_precision": state.prior, "evidence": state.evidence,
        }  # fmt: skip
        return {name: np.array(value) for name, value in found.items()}

    @staticmethod
    def scores(arrays: Arrays, block: Block) -> NDArray[np.float64]:
        """Return log odds, drawn to zero by how unsure they are, beside zeros: shape (2, n_rows)."""
        mean = np.full(block.n_rows, float(arrays["intercept"]))
        for column, weight in zip(block.columns, arrays["coef"], strict=True):
            mean += weight * column  # term by term: BLAS adds those of one row in another order than of many
        variance = np.zeros(block.n_rows)
        x = [*block.columns, np.ones(block.n_rows)]
        for row, weights in zip(x, arrays["sigma"], strict=True):
            variance += row * sum(w * other for w, other in zip(weights, x, strict=True))
        return np.stack(
            [np.zeros(block.n_rows), mean / np.sqrt(1.0 + np.pi / 8.0 * np.maximum(variance, 0.0))]
        )

    def credible_intervals(self, level: float = 0.95) -> NDArray[np.float64]:
        """Return the central intervals of the coefficients under the normal posterior, shape (n_features, 2)."""
        check_is_fitted(self)
        arrays = self.model_.arrays
        return intervals(arrays["coef"], np.sqrt(np.diag(arrays["sigma"])[:-1]), level)

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags: two classes only."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags
