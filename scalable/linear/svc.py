"""Linear support vector classification, streamed."""

from __future__ import annotations

from typing import Any, Self

from scalable.linear.classifier import GradientClassifier
from scalable.linear.sgd import known_loss


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
    """

    def __init__(
        self,
        penalty: str = "l2",
        loss: str = "squared_hinge",
        *,
        C: float = 1.0,
        fit_intercept: bool = True,
        class_weight: Any = None,
        solver: str = "auto",
        max_iter: int | None = None,
        tol: float | None = None,
        optimizer: str = "normalized",
        learning_rate: float | None = None,
        batch_size: int | None = None,
        average: bool = True,
        n_replicas: int | None = None,
        standardize: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 3,
        one_hot: int = 64,
        n_bins: int = 2**18,
        categorical: Any = None,
        log: Any = "auto",
        missing: str = "indicator",
        cache: Any = None,
        checkpoint: Any = None,
        resume: bool = False,
        random_state: int | None = None,
        n_workers: int | None = None,
        client: Any = None,
    ) -> None:
        self.penalty = penalty
        self.loss = loss
        self.C = C
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.average = average
        self.n_replicas = n_replicas
        self.standardize = standardize
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.one_hot = one_hot
        self.n_bins = n_bins
        self.categorical = categorical
        self.log = log
        self.missing = missing
        self.cache = cache
        self.checkpoint = checkpoint
        self.resume = resume
        self.random_state = random_state
        self.n_workers = n_workers
        self.client = client

    def _loss(self) -> tuple[str, float]:
        return known_loss(self.loss, True), 1.0

    def _strength(self, total_weight: float) -> float:
        return 1.0 / (float(self.C) * total_weight)

    def _link(self, n_outputs: int) -> str:
        return "margin"

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Train; see `LogisticRegression.fit`."""
        return self._fit_classes(X, y, sample_weight)
