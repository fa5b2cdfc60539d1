"""Logistic regression, streamed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from scalable.linear.classifier import GradientClassifier


class LogisticRegression(GradientClassifier):
    """Logistic regression on data of any size.

    Minimises ``C * sum(w_i * log_loss_i) + penalty`` as scikit-learn does (multinomial for more than
    two classes), except that by default the penalty is on coefficients per standard deviation, so the
    units of columns do not matter. Hashed categories are penalised as if their weights were doubled.

    Parameters
    ----------
    penalty : {"l2", "l1", "elasticnet", None}
        Kind of penalty.
    C : float
        Inverse strength of the penalty; ``inf`` for none.
    l1_ratio : float, optional
        Share of l1 in ``"elasticnet"``.
    fit_intercept : bool
        Whether to learn an intercept.
    class_weight : dict, "balanced" or None
        Weights of the classes.
    solver : {"auto", "newton", "sgd"}
        ``"newton"`` (exact; one pass per step) up to some hundreds of columns, else ``"sgd"``.
    max_iter : int, optional
        Most passes over the data; by default 25 for newton; for sgd 1 from 10^6 rows on, else 100.
    tol : float
        Relative decrease of the objective below which training stops.
    optimizer : {"normalized", "adagrad", "adam", "ftrl", "sgd"}
        How sgd steps; the default needs no learning rate (after Ross, Mineiro & Langford,
        "Normalized online learning", 2013).
    learning_rate : float, optional
        Step size of sgd; each optimizer has its own default.
    batch_size : int, optional
        Rows a step of sgd, at most 1,024; by default 256, or fewer for fewer than 130,000 rows.
    average : bool
        Whether sgd returns an average of its iterates.
    n_replicas : int, optional
        Models sgd trains side by side; part of the result, unlike the number of workers.
    standardize : bool
        Whether penalties apply per standard deviation (else per raw unit).
    one_hot : int
        Most categories of a column that get a coefficient each.
    n_bins : int
        Coefficients that all other categories share by hashing, a power of two.
    categorical : sequence of str, optional
        Integer columns to treat as categories.
    log : bool, "auto" or sequence of str
        Whether heavy-tailed columns are log-transformed; not done to plain arrays unless asked for.
    missing : {"indicator", "error"}
        Missing values become the mean and an indicator, or an error.
    early_stopping : bool
        Whether sgd holds out shards and stops when their loss no longer falls.
    validation_fraction : float
        Share of the shards held out for that.
    n_iter_no_change : int
        Passes without improvement before that.
    cache : str or path, optional
        Directory where encoded rows are kept for the passes after the first, when they are too many to
        be held in memory: as large as the encoded rows; invalid as soon as a file changes.
    checkpoint : str or path, optional
        Directory that is written after every round of passes and removed at the end.
    resume : bool
        Whether to continue from `checkpoint`; the result has the bits of an uninterrupted run.
    random_state : int, optional
        Seed of the order of rows.
    n_workers : int, optional
        Threads; by default all processors. Does not change the result.
    client : distributed.Client or str, optional
        Dask cluster to train on; not kept by clones and pickles.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
    coef_ : array of shape (1, n_terms), or (n_classes, n_terms) for more than two classes
        In raw units; one per feature when all are plain numbers, otherwise as named by `coef_names_`.
    intercept_ : array of shape (1,) or (n_classes,)
    progressive_loss_ : list of float
        Mean loss of each pass of sgd, every batch scored before it was learned from.
    n_iter_ : int
        Passes over the data (a warm start included).

    Examples
    --------
    >>> import numpy as np
    >>> from scalable.linear import LogisticRegression
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> y = x[:, 0] > 0.0
    >>> model = LogisticRegression().fit(x, y)
    >>> model.predict(x[:3]), y[:3]
    (array([ True,  True, False]), array([ True,  True, False]))
    >>> model.predict_proba(x).shape
    (200, 2)
    """

    C: float = 1.0
    l1_ratio: float | None = None

    loss = "log_loss"

    _positional = ("penalty",)

    def _strength(self, total_weight: float) -> float:
        return 0.0 if np.isinf(self.C) else 1.0 / (float(self.C) * total_weight)

    def _link(self, n_outputs: int) -> str:
        return "logistic" if n_outputs == 1 else "softmax"

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probabilities of the classes, shape (n_rows, n_classes)."""
        scores = self._scores(X)
        if len(scores) == 1:
            p = special.expit(scores[0])
            return np.column_stack([1.0 - p, p])
        return np.asarray(special.softmax(scores, axis=0).T)

    def predict_log_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the logarithms of `predict_proba`."""
        scores = self._scores(X)
        if len(scores) == 1:
            return np.column_stack([special.log_expit(-scores[0]), special.log_expit(scores[0])])
        return np.asarray(special.log_softmax(scores, axis=0).T)
