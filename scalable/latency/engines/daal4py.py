"""oneDAL's gradient-boosting inference through daal4py; float32 inside, so not bit-exact."""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.latency.engines.base import Absent, Engine, ForestModel


class _Daal:
    def __init__(self, model: ForestModel, n_threads: int) -> None:
        try:
            import daal4py  # type: ignore[import-not-found,unused-ignore]
            import lightgbm
        except ModuleNotFoundError as error:
            raise Absent(f"{error.name} is not installed (pip install 'scalable-training[peers]')") from error
        except ImportError as error:
            raise Absent(f"daal4py cannot be imported ({error})") from error
        if model.n_outputs > 1:
            raise Absent("shown for one output only")
        self._init = daal4py.daalinit
        self.n_threads = n_threads
        try:
            self._model = daal4py.mb.convert_model(lightgbm.Booster(model_str=model.lightgbm_text))
        except Exception as error:  # the converter raises what it likes
            raise Absent(f"daal4py cannot convert this model: {str(error)[:120]}") from error
        self._binary = (model.objective or "").startswith("binary")

    @property
    def n_threads(self) -> int:
        return self._threads

    @n_threads.setter
    def n_threads(self, threads: int) -> None:
        self._threads = threads
        self._init(threads)  # a setting of the process

    def predict(self, X: np.ndarray) -> np.ndarray:
        out = self._model.predict_proba(X)[:, 1] if self._binary else self._model.predict(X)
        return np.asarray(out, np.float64).reshape(len(X))

    def predict_one(self, x: np.ndarray) -> Any:
        return self.predict(x.reshape(1, -1))[0]


def build(model: ForestModel, n_threads: int) -> Engine:
    """Convert the model."""
    return _Daal(model, n_threads)
