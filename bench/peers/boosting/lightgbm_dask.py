"""``lightgbm.dask`` on frames persisted in the memory of a local cluster."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bench.peers.boosting import lightgbm_params
from bench.peers.contender import Learner
from bench.peers.frames import dask_frame
from bench.peers.task import Task, matrix


class OnDask(Learner):
    """``DaskLGBMClassifier``; unpersisted frames fail with current Dask, so they are persisted."""

    modules: ClassVar[tuple[str, ...]] = ("lightgbm.dask", "pandas")
    packages: ClassVar[tuple[str, ...]] = ("lightgbm", "dask", "pandas")
    note = (
        "one-thread workers; the frame is persisted first, for without that the fit fails; of one's own data it "
        "reads numbers made beforehand, codes of categories as plain ones"
    )

    def start(self, task: Task) -> None:
        """Start a cluster of one-thread workers."""
        from scalable.execution.local import local_cluster

        self._stack = ExitStack()
        self._client = self._stack.enter_context(local_cluster(task.threads))
        self._stack.enter_context(self._client.as_current())

    def close(self) -> None:
        """End the cluster."""
        self._stack.close()

    def train(self, task: Task) -> Any:
        """Persist, train."""
        from distributed import wait
        from lightgbm.dask import DaskLGBMClassifier

        frame = dask_frame(task).persist()
        wait(frame)
        params = lightgbm_params(task)
        model = DaskLGBMClassifier(client=self._client, n_estimators=task.trees, **params)
        model.fit(frame[task.features], frame[task.target])
        return model.booster_, task.features

    def predict(self, model: Any, rows: Any) -> NDArray[np.float64] | None:
        """Predict."""
        booster, features = model
        return np.asarray(booster.predict(matrix(rows, features)))
