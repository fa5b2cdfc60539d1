"""scikit-learn: ``partial_fit`` over batches of pyarrow, and lbfgs in memory."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bench.peers.contender import Learner
from bench.peers.task import Task, arrays, batches, labels, matrix


class PartialFit(Learner):
    """``StandardScaler`` then ``SGDClassifier``, each fed batch by batch."""

    modules: ClassVar[tuple[str, ...]] = ("sklearn",)
    packages: ClassVar[tuple[str, ...]] = ("scikit-learn",)
    one_thread = True
    note = "two passes: scale, then descend; averaged SGD, else default steps"

    def train(self, task: Task) -> Any:
        """Train in two passes."""
        from sklearn.linear_model import SGDClassifier
        from sklearn.preprocessing import StandardScaler

        scale = StandardScaler()
        for batch in batches(task.parts()):
            scale.partial_fit(matrix(batch, task.features))
        model = SGDClassifier(loss="log_loss", average=True, random_state=0)
        for batch in batches(task.parts()):
            x = scale.transform(matrix(batch, task.features))
            model.partial_fit(x, labels(batch, task.target), classes=[0, 1])
        return scale, model, task.features

    def predict(self, model: Any, rows: Any) -> NDArray[np.float64] | None:
        """Predict."""
        scale, classifier, features = model
        return np.asarray(classifier.predict_proba(scale.transform(matrix(rows, features)))[:, 1])


class Lbfgs(Learner):
    """``StandardScaler`` then ``LogisticRegression``, all rows in memory: the reference of quality."""

    modules: ClassVar[tuple[str, ...]] = ("sklearn",)
    packages: ClassVar[tuple[str, ...]] = ("scikit-learn",)

    def train(self, task: Task) -> Any:
        """Load, scale, train."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        x, y = arrays(task)
        steps = make_pipeline(StandardScaler(copy=False), LogisticRegression(max_iter=200))
        return steps.fit(x, y), task.features

    def predict(self, model: Any, rows: Any) -> NDArray[np.float64] | None:
        """Predict."""
        steps, features = model
        return np.asarray(steps.predict_proba(matrix(rows, features))[:, 1], np.float64)
