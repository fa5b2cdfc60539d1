"""ONNX Runtime on the model converted by onnxmltools; float32 arithmetic, so not bit-exact by design."""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.latency.engines.base import Absent, Engine, ForestModel


class _Onnx:
    def __init__(self, model: ForestModel, n_threads: int) -> None:
        try:
            import lightgbm
            import onnxmltools  # type: ignore[import-not-found,unused-ignore]
            import onnxruntime  # type: ignore[import-not-found,unused-ignore]
            from onnxmltools.convert.common import data_types  # type: ignore[import-not-found,unused-ignore]
        except ImportError as error:
            raise Absent(f"{error.name} is not installed (pip install 'scalable-training[peers]')") from error
        booster = lightgbm.Booster(model_str=model.lightgbm_text)
        shape = [("input", data_types.FloatTensorType([None, model.n_features]))]
        try:
            converted = onnxmltools.convert_lightgbm(booster, initial_types=shape, zipmap=False)
        except Exception as error:  # the converter raises what it likes
            raise Absent(f"onnxmltools cannot convert this model: {str(error)[:120]}") from error
        self._runtime, self._bytes = onnxruntime, converted.SerializeToString()
        self.n_threads = n_threads
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[-1].name
        self._binary = (model.objective or "").startswith("binary")

    @property
    def n_threads(self) -> int:
        return self._threads

    @n_threads.setter
    def n_threads(self, threads: int) -> None:
        options = self._runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self._threads = threads
        self._session = self._runtime.InferenceSession(
            self._bytes, options, providers=["CPUExecutionProvider"]
        )

    def predict(self, X: np.ndarray) -> np.ndarray:
        out = self._session.run([self._output], {self._input: X.astype(np.float32)})[0]
        out = out[:, 1] if self._binary else out
        return np.asarray(out[:, 0] if out.ndim == 2 and out.shape[1] == 1 else out, np.float64)

    def predict_one(self, x: np.ndarray) -> Any:
        return self.predict(x.reshape(1, -1))[0]


def build(model: ForestModel, n_threads: int) -> Engine:
    """Convert the text and open a session."""
    return _Onnx(model, n_threads)
