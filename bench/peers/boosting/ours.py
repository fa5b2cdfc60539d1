"""Our own: rows streamed into LightGBM on a Dask cluster of one-thread workers, and trees grown here in one process."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bench.peers.boosting import LEAST_ROWS, MAX_BIN, RATE
from bench.peers.contender import Learner
from bench.peers.task import Task


class _Boosting(Learner):
    """``LGBMClassifier``."""

    def fitted(self, task: Task, **where: Any) -> Any:
        """Return what was trained, and the features."""
        from scalable.boosting import LGBMClassifier

        model = LGBMClassifier(
            n_estimators=task.trees,
            num_leaves=task.leaves,
            learning_rate=RATE,
            max_bin=MAX_BIN,
            min_child_samples=LEAST_ROWS,
            random_state=0,
            **where,
        )
        return model.fit(task.source), task.features

    def predict(self, model: Any, rows: Any) -> NDArray[np.float64] | None:
        """Predict."""
        trained, features = model
        return np.asarray(trained.predict_proba(rows.select(features))[:, 1])


class Native(_Boosting):
    """``LGBMClassifier`` with trees grown here, in one process."""

    packages: ClassVar[tuple[str, ...]] = ("scalable-training",)

    def train(self, task: Task) -> Any:
        """Train."""
        return self.fitted(task, engine="native", num_threads=task.threads)


class Ours(_Boosting):
    """``LGBMClassifier`` on as many one-thread workers as there are threads."""

    packages: ClassVar[tuple[str, ...]] = ("scalable-training", "lightgbm", "dask")

    def start(self, task: Task) -> None:
        """Start the cluster."""
        from scalable.execution.local import local_cluster

        self._stack = ExitStack()
        self._client = self._stack.enter_context(local_cluster(task.threads))

    def close(self) -> None:
        """End the cluster."""
        self._stack.close()

    def train(self, task: Task) -> Any:
        """Train."""
        return self.fitted(task, client=self._client)
