"""LIBLINEAR, in memory, one thread."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bench.peers.contender import Learner
from bench.peers.task import Task, arrays, matrix


class Liblinear(Learner):
    """L2-regularised logistic regression by the primal Newton method (``-s 0``), with a bias column."""

    modules: ClassVar[tuple[str, ...]] = ("liblinear.liblinearutil",)
    packages: ClassVar[tuple[str, ...]] = ("liblinear-official",)
    one_thread = True

    def train(self, task: Task) -> Any:
        """Load, train."""
        from liblinear.liblinearutil import parameter, problem, train
        from scipy.sparse import csr_matrix

        x, y = arrays(task, np.float64)
        model = train(problem(y, csr_matrix(x), bias=1), parameter("-s 0 -B 1 -q"))
        weights, bias = model.get_decfun()
        sign = 1.0 if model.get_labels()[0] == 1 else -1.0  # the function is positive for the first label
        return sign * np.asarray(weights), sign * float(bias), task.features

    def predict(self, model: Any, rows: Any) -> NDArray[np.float64] | None:
        """Predict from the coefficients."""
        weights, bias, features = model
        scores = matrix(rows, features, np.float64) @ weights + bias
        return np.asarray(1 / (1 + np.exp(-scores)))
