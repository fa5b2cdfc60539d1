"""Gaussian naive Bayes: within a class, every column is normal and independent of the others."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.bayes.within_classes import Moments, check_told, merged, moments_of
from scalable.data.block import Block
from scalable.errors import DataError, DataWarning, UsageError, shown
from scalable.features.number_encoder import NumberEncoder
from scalable.features.target_summary import TargetSummary
from scalable.models.arrays.model import Arrays
from scalable.models.arrays.one_pass import OnePassClassifier
from scalable.models.arrays.smoothing import hidden_columns
from scalable.models.parameters import numbers_of

Sums = tuple[Moments, NDArray[np.float64]]  # and the weights of the classes, (n_classes,)


@dataclass(frozen=True)
class ClassMoments:
    """Reduction to the moments of every column within every class, missing values left out.

    Parameters
    ----------
    names, classes : tuple
        Columns and labels.
    prior : tuple or None
        The probability of each label; None is its share of the weights.
    smoothing : float
        Share of the largest variance of all rows that is added to each.
    """

    names: tuple[str, ...]
    classes: tuple[Any, ...]
    prior: tuple[float, ...] | None
    smoothing: float

    def init(self) -> Sums:
        """Return the moments of no rows; behind those of the classes, those of all rows without weights."""
        k = len(self.classes)
        return np.zeros((3, k + 1, len(self.names))), np.zeros(k)

    def step(self, state: Sums, block: Block) -> Sums:
        """Add a block."""
        return self.merge(state, moments_of(block, len(self.classes)))

    def merge(self, left: Sums, right: Sums) -> Sums:
        """Return the moments of both."""
        return merged(left[0], right[0]), left[1] + right[1]

    def finish(self, state: Sums) -> Arrays:
        """Return means, smoothed variances and priors; a DataError where a class tells nothing of a column."""
        (weight, mean, squares), rows = state
        prior = rows / rows.sum() if self.prior is None else self.prior
        check_told(state[0], self.names, self.classes)
        variances = squares[-1] / weight[-1]
        epsilon = self.smoothing * variances.max(initial=0.0)
        if words := hidden_columns(self.names, variances, epsilon, "var_smoothing", self.smoothing):
            warnings.warn(words, DataWarning, stacklevel=2)
        variance = squares[:-1] / weight[:-1] + epsilon
        for c, j in np.argwhere(variance <= 0.0):
            what = f"column {self.names[j]!r} is constant in class {self.classes[c]!r}"
            raise DataError(f"{what} and nothing smooths it; leave it out or raise var_smoothing")
        out = {"theta": mean[:-1], "var": variance, "class_prior": prior, "epsilon": epsilon}
        return {name: np.array(value) for name, value in out.items()}


class GaussianNB(OnePassClassifier):
    """Gaussian naive Bayes as scikit-learn's, from one pass; a missing value says nothing of its row's class.

    Parameters
    ----------
    priors : array of shape (n_classes,), optional
        Probabilities of the classes; by default their shares of the weights.
    var_smoothing : float
        Share of the largest variance of a column that is added to all variances.
    n_workers, client
        As for every learner, see `scalable.models.estimator.Estimator`.

    Examples
    --------
    >>> import numpy as np
    >>> from scalable.bayes import GaussianNB
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> y = x[:, 0] > 0.0
    >>> GaussianNB().fit(x, y).score(x, y) > 0.9
    True
    """

    priors: Any = None
    var_smoothing: float = 1e-9
    _weighs_classes = True

    def _reduction(self, encoder: NumberEncoder, target: TargetSummary) -> ClassMoments:
        prior = None if self.priors is None else numbers_of("priors", self.priors)
        k = len(target.classes)
        if prior is not None and (
            prior.shape != (k,) or not (prior >= 0.0).all() or abs(prior.sum() - 1.0) > 1e-8
        ):
            raise UsageError(f"priors must be {k} shares that sum to 1, not {shown(self.priors)}")
        given = None if prior is None else tuple(prior.tolist())
        return ClassMoments(tuple(encoder.needed), target.classes, given, self.var_smoothing)

    @staticmethod
    def scores(arrays: Arrays, block: Block) -> NDArray[np.float64]:
        """Return the logarithms of the joint probabilities of class and row, shape (n_classes, n_rows)."""
        out = np.empty((len(arrays["theta"]), block.n_rows))
        for c, (mean, variance) in enumerate(zip(arrays["theta"], arrays["var"], strict=True)):
            square = ((block.columns.T - mean) ** 2 / variance + np.log(2.0 * np.pi * variance)).T
            # Term by term: NumPy adds those of a single row in another order.
            out[c] = -0.5 * sum(np.where(np.isnan(square), 0.0, square))
        with np.errstate(divide="ignore"):  # a prior of 0
            return out + np.log(arrays["class_prior"])[:, None]
