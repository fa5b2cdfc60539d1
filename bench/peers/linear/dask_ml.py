"""dask-ml: ``Incremental`` around scikit-learn's ``SGDClassifier`` on a local cluster."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bench.peers.contender import Learner
from bench.peers.frames import dask_arrays
from bench.peers.task import Task, matrix


class Incremental(Learner):
    """Chunks go to the cluster's memory, the model goes from chunk to chunk."""

    modules: ClassVar[tuple[str, ...]] = ("dask_ml.wrappers",)
    packages: ClassVar[tuple[str, ...]] = ("dask-ml", "dask", "scikit-learn")
    note = "chunks are read in parallel, learned from one after the other"

    def start(self, task: Task) -> None:
        """Start a cluster of one-thread workers."""
        from scalable.execution.local import local_cluster

        self._stack = ExitStack()
        client = self._stack.enter_context(local_cluster(task.threads))
        self._stack.enter_context(client.as_current())

    def close(self) -> None:
        """End the cluster."""
        self._stack.close()

    def train(self, task: Task) -> Any:
        """Scale, then learn chunk by chunk."""
        from dask_ml.preprocessing import StandardScaler
        from dask_ml.wrappers import Incremental as Wrapper
        from sklearn.linear_model import SGDClassifier

        x, y = dask_arrays(task)
        scale = StandardScaler().fit(x)
        model = Wrapper(SGDClassifier(loss="log_loss", average=True, random_state=0))
        model.fit(scale.transform(x), y, classes=[0, 1])
        return np.asarray(scale.mean_), np.asarray(scale.scale_), model.estimator_, task.features

    def predict(self, model: Any, rows: Any) -> NDArray[np.float64] | None:
        """Predict."""
        mean, scale, classifier, features = model
        return np.asarray(classifier.predict_proba((matrix(rows, features) - mean) / scale)[:, 1])
