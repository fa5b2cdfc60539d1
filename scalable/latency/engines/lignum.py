"""lignum's interpreter and its compiled trees (which need a C compiler)."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from typing import Any

import numpy as np

from scalable.latency.engines.base import Absent, Engine, ForestModel


class _Lignum:
    def __init__(self, model: ForestModel, n_threads: int, compiled: bool) -> None:
        try:
            import lignum  # type: ignore[import-not-found,unused-ignore]
        except ImportError as error:
            raise Absent("lignum is not installed (pip install 'scalable-training[peers]')") from error
        descriptor, path = tempfile.mkstemp(suffix=".txt")
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(model.lightgbm_text)
            self._model = lignum.load(path, format="lightgbm")
        finally:
            os.unlink(path)
        if compiled:
            folder = tempfile.mkdtemp(prefix="lignum-")
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            try:
                self._model.compile(work_dir=folder)
            except Exception as error:  # no compiler, or one that fails
                raise Absent(f"lignum could not compile: {str(error)[:120]}") from error
        self.n_threads = n_threads

    def predict(self, X: np.ndarray) -> np.ndarray:
        return np.asarray(self._model.predict(X, n_jobs=self.n_threads))

    def predict_one(self, x: np.ndarray) -> Any:
        return self._model.predict(x.reshape(1, -1), n_jobs=1)[0]


def build(model: ForestModel, n_threads: int) -> Engine:
    """Load the text into the interpreter."""
    return _Lignum(model, n_threads, compiled=False)


def build_compiled(model: ForestModel, n_threads: int) -> Engine:
    """Load the text and compile its trees."""
    return _Lignum(model, n_threads, compiled=True)
