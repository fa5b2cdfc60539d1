"""The faces of what learns a target: ``fit``, ``predict``, the labels as they were given.

A learner has `_train`, which publishes its model, and `_scores`.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets

from scalable.models.dask_frames.written_rows import is_dask
from scalable.models.estimator import Estimator
from scalable.models.links import apply_link


def given_classes(X: Any, y: Any) -> NDArray[Any] | None:
    """Return the classes that labels given here name, of their dtype; None where they are a source's or Dask's."""
    if y is None or is_dask(X):
        return None
    check_classification_targets(y)
    return np.unique(np.asarray(y))


class Classifier(ClassifierMixin, Estimator):
    """Base of the classifiers: labels of any type; one score a row for two classes, or one a class."""

    _classify = True

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Train.

        Parameters
        ----------
        X : ParquetSource, or array or frame of shape (n_rows, n_features)
            Features; a source brings its own target and weights.
        y : array of shape (n_rows,), optional
            Labels of any type.
        sample_weight : array of shape (n_rows,), optional
            Non-negative weights.

        Raises
        ------
        DataError
            When the target has fewer than two values, or a column is unusable.
        """
        given = given_classes(X, y)
        self._teach(X, y, sample_weight)
        if given is not None:
            self.classes_ = given
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the class of the highest score of each row, shape (n_rows,)."""
        scores = self._scores(X)
        index = (scores[0] > 0.0).astype(np.intp) if len(scores) == 1 else scores.argmax(axis=0)
        return np.asarray(self.classes_[index])


class ProbabilityClassifier(Classifier):
    """Base of the classifiers whose scores are log odds, or logarithms of what probabilities are in proportion to."""

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probabilities of the classes, shape (n_rows, n_classes)."""
        scores = self._scores(X)
        if len(scores) > 1:
            return apply_link("softmax", scores)
        positive = apply_link("logistic", scores)
        return np.stack([1.0 - positive, positive], axis=1)

    def predict_log_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the logarithms of `predict_proba`."""
        return np.log(self.predict_proba(X))


class Regressor(RegressorMixin, Estimator):
    """Base of the regressors: one score a row."""

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Train.

        Parameters
        ----------
        X : ParquetSource, or array or frame of shape (n_rows, n_features)
            Features; a source brings its own target and weights.
        y : array of shape (n_rows,), optional
            Target.
        sample_weight : array of shape (n_rows,), optional
            Non-negative weights.

        Raises
        ------
        DataError
            When the target or a column is unusable.
        """
        self._teach(X, y, sample_weight)
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Return predictions, shape (n_rows,)."""
        return np.asarray(self._scores(X)[0])
