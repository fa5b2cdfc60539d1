"""LightGBM's C single-row API with a prepared configuration, through ctypes."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from scalable.latency.engines.base import Absent, Engine, ForestModel

_FLOAT64, _NORMAL = 1, 0


class _SingleRowFast:
    single_only = True
    n_threads = 1

    def __init__(self, model: ForestModel) -> None:
        import lightgbm
        from lightgbm.basic import _LIB, _safe_call

        if not hasattr(_LIB, "LGBM_BoosterPredictForMatSingleRowFast"):
            raise Absent(f"lightgbm {lightgbm.__version__} has no single-row fast API")
        self._booster = lightgbm.Booster(model_str=model.lightgbm_text)  # keeps the handle alive
        self._config = ctypes.c_void_p()
        _safe_call(
            _LIB.LGBM_BoosterPredictForMatSingleRowFastInit(
                self._booster._handle, ctypes.c_int(_NORMAL), ctypes.c_int(0), ctypes.c_int(-1),
                ctypes.c_int(_FLOAT64), ctypes.c_int32(model.n_features), ctypes.c_char_p(b"num_threads=1"),
                ctypes.byref(self._config),
            )
        )  # fmt: skip
        self._out = (ctypes.c_double * model.n_outputs)()
        self._length = ctypes.c_int64()
        self._call, self._check = _LIB.LGBM_BoosterPredictForMatSingleRowFast, _safe_call
        self._free = _LIB.LGBM_FastConfigFree
        self._tail = (ctypes.byref(self._length), self._out)
        self._single = model.n_outputs == 1

    def predict_one(self, x: np.ndarray) -> Any:
        self._check(self._call(self._config, ctypes.c_void_p(x.ctypes.data), *self._tail))
        return self._out[0] if self._single else np.array(self._out)

    def predict(self, X: np.ndarray) -> np.ndarray:
        return np.array([self.predict_one(x) for x in X])

    def __del__(self) -> None:
        if getattr(self, "_config", None):
            self._free(self._config)


def build(model: ForestModel, n_threads: int) -> Engine:
    """Prepare the fast configuration; the API has one thread whatever `n_threads` says."""
    del n_threads
    return _SingleRowFast(model)
