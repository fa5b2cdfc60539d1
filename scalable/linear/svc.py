"""Linear support vector classification, streamed."""

from __future__ import annotations

from scalable.linear.classifier import GradientClassifier


class LinearSVC(GradientClassifier):
    """Linear support vector machine: minimises ``C * sum(w_i * hinge_i) + |coef|^2 / 2``.

    One versus rest for more than two classes.

    Parameters
    ----------
    penalty : {"l2", "l1"}
        Kind of penalty.
    loss : {"squared_hinge", "hinge"}
        What is minimised; ``"squared_hinge"`` is solved exactly by Newton steps where columns are few.
    C : float
        Inverse strength of the penalty.
    class_weight : dict, "balanced" or None
        Weights of the classes.
    fit_intercept, solver, max_iter, tol, optimizer, learning_rate, batch_size, average, n_replicas, \
standardize, early_stopping, validation_fraction, n_iter_no_change, one_hot, n_bins, categorical, log, \
missing, cache, checkpoint, resume, random_state, n_workers, client
        As for `LogisticRegression`.

    Attributes
    ----------
    classes_, coef_, intercept_, n_iter_
        As for `LogisticRegression`.

    Examples
    --------
    >>> import numpy as np
    >>> from scalable.linear import LinearSVC
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> y = x[:, 0] > 0.0
    >>> LinearSVC().fit(x, y).score(x, y) > 0.95
    True
    """

    loss: str = "squared_hinge"
    C: float = 1.0

    _positional = ("penalty", "loss")

    def _strength(self, total_weight: float) -> float:
        return 1.0 / (float(self.C) * total_weight)

    def _link(self, n_outputs: int) -> str:
        return "margin"
