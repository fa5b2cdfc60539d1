"""Manners of the classifiers among the gradient learners."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from scalable.linear.partial_fit import PartialFit
from scalable.models.supervised import Classifier, given_classes


class GradientClassifier(Classifier, PartialFit):
    """Base of the classifiers: labels of any type, one score for two classes, else one a class."""

    class_weight: Any = None

    def partial_fit(self, X: Any, y: Any = None, classes: Any = None, sample_weight: Any = None) -> Self:
        """Learn from one more part of the data, once, by descent.

        The first part decides how columns are treated and scaled, and how a penalty stated for all
        rows, as by ``C``, counts for one.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.
        classes : array, optional
            All labels that will ever come; by default those of the first part.
        """
        given = getattr(self, "classes_", None) if hasattr(self, "_partial") else classes
        if given is None:
            given = given_classes(X, y)  # a first part that has them all
        self._learn_part(X, y, given, sample_weight)
        if given is not None:
            self.classes_ = np.unique(np.asarray(given))
        return self

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return the scores: shape (n_rows,) for two classes, else (n_rows, n_classes)."""
        check_is_fitted(self)
        scores = self._scores(X)
        return np.asarray(scores[0] if len(scores) == 1 else scores.T)
