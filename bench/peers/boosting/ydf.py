"""Yggdrasil Decision Forests: in memory, leaf by leaf, columns in bins."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bench.peers.boosting import LEAST_ROWS, MAX_BIN, RATE
from bench.peers.contender import Learner
from bench.peers.task import Task, arrays, matrix


class Ydf(Learner):
    """``ydf.GradientBoostedTreesLearner``."""

    modules: ClassVar[tuple[str, ...]] = ("ydf",)
    packages: ClassVar[tuple[str, ...]] = ("ydf",)

    def train(self, task: Task) -> Any:
        """Load, bin, train."""
        import ydf

        X, y = arrays(task)
        ydf.verbose(0)
        learner = ydf.GradientBoostedTreesLearner(
            label="y",
            num_trees=task.trees,
            growing_strategy="BEST_FIRST_GLOBAL",
            max_num_nodes=task.leaves,
            max_depth=-1,
            shrinkage=RATE,
            min_examples=LEAST_ROWS,
            discretize_numerical_columns=True,
            num_discretized_numerical_bins=MAX_BIN,
            validation_ratio=0.0,
            early_stopping="NONE",
            num_threads=task.threads,
        )
        return learner.train({"X": X, "y": np.asarray(y).astype(np.int64)}), task.features

    def predict(self, model: Any, rows: Any) -> NDArray[np.float64] | None:
        """Predict."""
        trained, features = model
        return np.asarray(trained.predict({"X": matrix(rows, features)}), np.float64)
