"""A compiled forest with a classifier's face: labels from `predict`, probabilities from `predict_proba`."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from scalable.errors import ModelError, UsageError
from scalable.inference.forest.compiled import CompiledForest
from scalable.inference.forest.file import read_compiled


class CompiledClassifier:
    """What ``compile_model`` makes of a fitted classifier: its `predict` and `predict_proba`, bit for bit, faster.

    Parameters
    ----------
    forest : CompiledForest
        Whose predictions are probabilities (or scores): one of the second class, or one a class.

    Attributes
    ----------
    forest : CompiledForest
        For whoever wants the probabilities only: ``forest.predict_one(x)`` is the shortest way.
    classes_ : ndarray
    """

    def __init__(self, forest: CompiledForest) -> None:
        if forest.forest.labels is None:
            raise ModelError("this forest is not a classifier's")
        self.forest = forest
        self._labels = forest.forest.labels
        self._of_raw = self._labels.rule in ("largest score", "above zero", "from zero")
        self.classes_ = np.array(self._labels.classes)
        self.n_features, self.n_outputs = forest.n_features, forest.n_outputs
        self.feature_names = forest.feature_names

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy the forest."""
        return CompiledClassifier, (self.forest,)

    def predict(self, X: Any, raw_score: bool = False, pred_leaf: bool = False, **options: Any) -> np.ndarray:
        """Predict labels (n_rows,), or what ``CompiledForest.predict`` does where `raw_score` or `pred_leaf` is set."""
        if raw_score or pred_leaf:
            return self.forest.predict(X, raw_score=raw_score, pred_leaf=pred_leaf, **options)
        return self._decide(self.forest.predict(X, raw_score=self._of_raw, **options))

    def predict_proba(self, X: Any, **options: Any) -> np.ndarray:
        """Predict probabilities (n_rows, n_classes), columns in the order of ``classes_``.

        Raises
        ------
        UsageError
            The model gives none: it tells outliers from the rest.
        """
        if self._labels.rule == "threshold":
            raise UsageError("an outlier detector gives no probabilities; use predict or decision_function")
        found = self.forest.predict(X, **options)
        if len(self.classes_) == 1:
            return found.reshape(-1, 1)
        return found if found.ndim == 2 else np.vstack([1 - found, found]).T

    def decision_function(self, X: Any, **options: Any) -> np.ndarray:
        """Return raw scores: (n_rows,) for two classes, else (n_rows, n_classes); of outliers, below zero."""
        if self._labels.rule == "threshold":
            return self.forest.predict(X, **options) - self._labels.threshold
        return self.forest.predict(X, raw_score=True, **options)

    @cached_property
    def predict_one(self) -> Callable[[Any], Any]:
        """``predict_one(x)``: one row to its label."""
        score, decide, raw = self.forest.predict_one, self._decide, self._of_raw
        return lambda x: decide(np.array([score(x, raw)]))[0]

    @cached_property
    def predict_proba_one(self) -> Callable[[Any], np.ndarray]:
        """``predict_proba_one(x)``: one row to its probabilities, (n_classes,)."""
        score = self.forest.predict_one
        if self.n_outputs > 1:
            return score
        return lambda x: np.array([1 - (p := score(x)), p])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the compiled form to one file, for ``load_compiled``."""
        self.forest.save(path)

    def _decide(self, found: np.ndarray) -> np.ndarray:
        rule, threshold = self._labels.rule, self._labels.threshold
        if rule.startswith("largest"):
            chosen = np.argmax(found, axis=1) if found.ndim == 2 else np.zeros(len(found), np.int64)
        elif rule == "from zero":
            chosen = (found >= 0).astype(np.int64)
        elif rule == "threshold":
            chosen = (found - threshold >= 0).astype(np.int64)
        else:
            chosen = (found > (0.5 if rule == "half" else 0.0)).astype(np.int64)
        labels: np.ndarray = self.classes_[chosen]
        return labels


def faced(forest: CompiledForest) -> CompiledForest | CompiledClassifier:
    """Return a forest with the face of the model it was compiled from."""
    return forest if forest.forest.labels is None else CompiledClassifier(forest)


def load_compiled(path: str | os.PathLike[str]) -> CompiledForest | CompiledClassifier:
    """Read what `save` wrote; the file may be replaced afterwards.

    Raises
    ------
    ModelError
        Not such a file, of another version, truncated or altered.
    """
    found = read_compiled(path)
    made = CompiledForest(found.forest)
    made.programs.adopt(found.plan, found.frozen)
    return faced(made)
