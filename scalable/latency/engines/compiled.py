"""Ours as users get it: `compile_model`, blocks for batches and the single-row engine for one."""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.latency.engines.base import Engine, ForestModel


class _Compiled:
    def __init__(self, model: ForestModel, n_threads: int) -> None:
        from scalable.models.compile import compile_model

        self._forest = compile_model(model.text) if model.compiled is None else model.compiled
        self.n_threads = n_threads
        self.predict_one = self._forest.predict_one

    def predict(self, X: np.ndarray) -> np.ndarray:
        result: Any = self._forest.predict(X, n_threads=self.n_threads)
        return np.asarray(result)


def build(model: ForestModel, n_threads: int) -> Engine:
    """Compile the text."""
    return _Compiled(model, n_threads)


def build_two(model: ForestModel, n_threads: int) -> Engine:
    """Compile the text; batches run on two threads, the last step of the comparison."""
    del n_threads
    return _Compiled(model, 2)
