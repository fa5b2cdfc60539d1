"""`Booster.predict`, what everyone starts from."""

from __future__ import annotations

import numpy as np

from scalable.latency.engines.base import Engine, ForestModel


class _Booster:
    def __init__(self, model: ForestModel, n_threads: int) -> None:
        import lightgbm

        self._booster = lightgbm.Booster(model_str=model.lightgbm_text)
        self.n_threads = n_threads

    def predict(self, X: np.ndarray) -> np.ndarray:
        return np.asarray(self._booster.predict(X, num_threads=self.n_threads))

    def predict_one(self, x: np.ndarray) -> float:
        return float(self._booster.predict(x.reshape(1, -1), num_threads=self.n_threads)[0])

    def predict_row(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self._booster.predict(x.reshape(1, -1), num_threads=self.n_threads)[0])


def build(model: ForestModel, n_threads: int) -> Engine:
    """Load the text into a Booster."""
    engine = _Booster(model, n_threads)
    if model.n_outputs > 1:
        engine.predict_one = engine.predict_row  # type: ignore[method-assign,assignment]
    return engine
