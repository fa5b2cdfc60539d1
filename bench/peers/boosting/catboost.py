"""CatBoost: in memory, leaf by leaf."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bench.peers.boosting import LEAST_ROWS, MAX_BIN, RATE
from bench.peers.contender import Learner
from bench.peers.task import Task, arrays, matrix


class CatBoost(Learner):
    """``CatBoostClassifier`` with lossguide growth, as the other contenders grow."""

    modules: ClassVar[tuple[str, ...]] = ("catboost",)
    packages: ClassVar[tuple[str, ...]] = ("catboost",)

    def train(self, task: Task) -> Any:
        """Load, bin, train."""
        import catboost

        model = catboost.CatBoostClassifier(
            iterations=task.trees,
            grow_policy="Lossguide",
            max_leaves=task.leaves,
            depth=16,  # the most it takes
            learning_rate=RATE,
            border_count=MAX_BIN - 1,
            min_data_in_leaf=LEAST_ROWS,
            thread_count=task.threads,
            random_seed=0,
            allow_writing_files=False,
            verbose=False,
        )
        return model.fit(*arrays(task)), task.features

    def predict(self, model: Any, rows: Any) -> NDArray[np.float64] | None:
        """Predict."""
        trained, features = model
        return np.asarray(trained.predict_proba(matrix(rows, features))[:, 1])
