"""Plain LightGBM on an Arrow table: all rows in memory, one process."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bench.peers.boosting import lightgbm_params
from bench.peers.contender import Learner
from bench.peers.task import Task, matrix, read


class Plain(Learner):
    """``lightgbm.train``."""

    modules: ClassVar[tuple[str, ...]] = ("lightgbm",)
    packages: ClassVar[tuple[str, ...]] = ("lightgbm",)

    def train(self, task: Task) -> Any:
        """Load, bin, train."""
        import lightgbm as lgb
        import pyarrow as pa

        table = pa.concat_tables([read(part) for part in task.parts()])
        data = lgb.Dataset(
            table.select(task.features), table.column(task.target), categorical_feature=list(task.categorical)
        )
        params = {**lightgbm_params(task), "num_threads": task.threads}
        return lgb.train(params, data, task.trees), task.features

    def predict(self, model: Any, rows: Any) -> NDArray[np.float64] | None:
        """Predict."""
        booster, features = model
        return np.asarray(booster.predict(matrix(rows, features)))
