"""Snap ML, in memory."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bench.peers.contender import Learner
from bench.peers.task import Task, arrays, matrix


class SnapML(Learner):
    """``snapml.LogisticRegression`` with its defaults, on standardised columns."""

    modules: ClassVar[tuple[str, ...]] = ("snapml",)
    packages: ClassVar[tuple[str, ...]] = ("snapml",)

    def train(self, task: Task) -> Any:
        """Load, scale, train."""
        from sklearn.preprocessing import StandardScaler
        from snapml import LogisticRegression

        x, y = arrays(task)
        scale = StandardScaler(copy=False)
        model = LogisticRegression(n_jobs=task.threads, fit_intercept=True, random_state=0)
        model.fit(scale.fit_transform(x), y)
        return scale, model, task.features

    def predict(self, model: Any, rows: Any) -> NDArray[np.float64] | None:
        """Predict."""
        scale, classifier, features = model
        return np.asarray(classifier.predict_proba(scale.transform(matrix(rows, features)))[:, 1], np.float64)
