"""Linear models of any loss, by mini-batch descent."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import special
from sklearn.utils.metaestimators import available_if

from scalable.linear.classifier import GradientClassifier
from scalable.linear.partial_fit import PartialFit
from scalable.models.links import apply_link
from scalable.models.supervised import Regressor


class _Descent(PartialFit):
    """Parameters that classifier and regressor share."""

    alpha: float = 1e-4
    l1_ratio: float = 0.15
    solver: str = "sgd"
    loss: str

    def _strength(self, total_weight: float) -> float:
        return float(self.alpha)


def _has_probabilities(estimator: Any) -> bool:
    if estimator.loss != "log_loss":
        raise AttributeError(f"probabilities exist for loss='log_loss' only, not {estimator.loss!r}")
    return True


class SGDClassifier(_Descent, GradientClassifier):
    """Linear classifier of any loss, by descent; one versus rest for more than two classes.

    Parameters
    ----------
    loss : {"hinge", "log_loss", "squared_hinge", "modified_huber"}
        What is minimised.
    class_weight : dict, "balanced" or None
        Weights of the classes.
    penalty : {"l2", "l1", "elasticnet", None}
        Kind of penalty.
    alpha : float
        Its strength, in units of the mean loss.
    l1_ratio : float
        Share of l1 in ``"elasticnet"``.
    solver : {"sgd", "newton", "auto"}
        ``"newton"`` is for smooth losses and some hundreds of columns.
    **others
        As for `LogisticRegression`.

    Attributes
    ----------
    classes_, coef_, intercept_, n_iter_, progressive_loss_
        As for `LogisticRegression`.

    Examples
    --------
    >>> import numpy as np
    >>> from scalable.linear import SGDClassifier
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> y = x[:, 0] + np.random.default_rng(1).normal(size=200) > 0.0
    >>> SGDClassifier(random_state=0).fit(x, y).score(x, y) > 0.7
    True
    """

    loss: str = "hinge"

    _positional = ("loss",)

    @available_if(_has_probabilities)
    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probabilities of the classes, shape (n_rows, n_classes); log loss only."""
        p = special.expit(self._scores(X))
        if len(p) == 1:
            return np.column_stack([1.0 - p[0], p[0]])
        return np.asarray((p / p.sum(axis=0)).T)


class SGDRegressor(Regressor, _Descent):
    """Linear regression of any loss, by descent.

    Parameters
    ----------
    loss : {"squared_error", "huber", "quantile", "epsilon_insensitive", "poisson"}
        What is minimised; ``"poisson"`` predicts ``exp`` of the linear score.
    epsilon : float
        Where ``"huber"`` becomes linear, or what ``"epsilon_insensitive"`` ignores; in units of the target.
    quantile : float
        The quantile that ``"quantile"`` predicts.
    penalty : {"l2", "l1", "elasticnet", None}
        Kind of penalty.
    alpha : float
        Its strength, in units of the mean loss.
    l1_ratio : float
        Share of l1 in ``"elasticnet"``.
    solver : {"sgd", "newton", "auto"}
        ``"newton"`` is for smooth losses and some hundreds of columns.
    **others
        As for `LogisticRegression`.

    Attributes
    ----------
    coef_, intercept_, n_iter_, progressive_loss_
        As for `LogisticRegression`, one output.

    Examples
    --------
    >>> import numpy as np
    >>> from scalable.linear import SGDRegressor
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> t = x @ [1.0, 2.0]
    >>> SGDRegressor(random_state=0).fit(x, t).score(x, t) > 0.9
    True
    """

    loss: str = "squared_error"
    epsilon: float = 0.1
    quantile: float = 0.5
    log: Any = False

    _positional = ("loss",)

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn from one more part of the data, once; the first part decides scales."""
        self._learn_part(X, y, None, sample_weight)
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Return predictions, shape (n_rows,)."""
        scores = self._scores(X)
        return apply_link(self.model_.link, scores)
