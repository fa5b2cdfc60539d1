"""A compiled model with a classifier's face: labels from `predict`, probabilities from `predict_proba`."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from scalable.errors import UsageError
from scalable.inference.forest.trees import Labels


class CompiledClassifier:
    """What ``compile_model`` makes of a fitted classifier: its `predict` and `predict_proba`, faster.

    Parameters
    ----------
    scores : CompiledForest or CompiledLinear
        Whose predictions are probabilities (or scores): one of the second class, or one a class.
    labels : Labels
        How they become labels.

    Attributes
    ----------
    scores
        For whoever wants the probabilities only: ``scores.predict_one(x)`` is the shortest way.
    classes_ : ndarray
    """

    def __init__(self, scores: Any, labels: Labels) -> None:
        self.scores, self._labels = scores, labels
        self._of_raw = labels.rule in ("largest score", "above zero", "from zero")
        self.classes_ = np.array(labels.classes)
        self.n_features, self.n_outputs = scores.n_features, scores.n_outputs

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self.classes_)} classes by {self.scores!r}>"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy by the parts."""
        return CompiledClassifier, (self.scores, self._labels)

    def predict(
        self,
        X: Any,
        raw_score: bool = False,
        pred_leaf: bool = False,
        pred_contrib: bool = False,
        **options: Any,
    ) -> np.ndarray:
        """Predict labels (n_rows,), or what ``CompiledForest.predict`` does where one of the three is set."""
        asked = {"pred_leaf": pred_leaf, "pred_contrib": pred_contrib}
        options |= {
            name: True for name, wanted in asked.items() if wanted
        }  # others than forests do not know them
        as_asked = raw_score or pred_leaf or pred_contrib
        found: np.ndarray = self.scores.predict(X, raw_score=raw_score or self._of_raw, **options)
        return found if as_asked else self._decide(found)

    def predict_proba(self, X: Any, **options: Any) -> np.ndarray:
        """Predict probabilities (n_rows, n_classes), columns in the order of ``classes_``.

        Raises
        ------
        UsageError
            The model gives none: it tells outliers from the rest.
        """
        if self._labels.rule == "threshold":
            raise UsageError("an outlier detector gives no probabilities; use predict or decision_function")
        found: np.ndarray = self.scores.predict(X, **options)
        if len(self.classes_) == 1:
            return found.reshape(-1, 1)
        return found if found.ndim == 2 else np.vstack([1 - found, found]).T

    def decision_function(self, X: Any, **options: Any) -> np.ndarray:
        """Return raw scores: (n_rows,) for two classes, else (n_rows, n_classes); of outliers, below zero."""
        if self._labels.rule == "threshold":
            outlying: np.ndarray = self.scores.predict(X, **options) - self._labels.threshold
            return outlying
        found: np.ndarray = self.scores.predict(X, raw_score=True, **options)
        return found

    @cached_property
    def predict_one(self) -> Callable[[Any], Any]:
        """``predict_one(x)``: one row to its label."""
        score, raw, classes = self.scores.predict_one, self._of_raw, self.classes_
        if self._labels.rule.startswith("largest"):
            return lambda x: classes[np.argmax(score(x, raw))]
        second = self._is_second
        return lambda x: classes[-1] if second(score(x, raw)) else classes[0]  # one class is both

    @cached_property
    def predict_proba_one(self) -> Callable[[Any], np.ndarray]:
        """``predict_proba_one(x)``: one row to its probabilities, (n_classes,)."""
        score: Callable[[Any], Any] = self.scores.predict_one
        if self.n_outputs > 1:
            return score
        return lambda x: np.array([1 - (p := score(x)), p])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the compiled form to one file, for ``load_compiled``."""
        self.scores.save(path)

    def _decide(self, found: np.ndarray) -> np.ndarray:
        if self._labels.rule.startswith("largest"):
            chosen = np.argmax(found, axis=1) if found.ndim == 2 else np.zeros(len(found), np.int64)
        else:
            chosen = self._is_second(found).astype(np.int64)
        # of one class, the only one
        labels: np.ndarray = self.classes_[np.minimum(chosen, len(self.classes_) - 1)]
        return labels

    def _is_second(self, found: Any) -> Any:
        """Return whether scores, one or an array of them, say the second of two classes."""
        rule = self._labels.rule
        if rule == "half":
            return found > 0.5
        if rule == "above zero":
            return found > 0.0
        return found - (self._labels.threshold if rule == "threshold" else 0.0) >= 0
