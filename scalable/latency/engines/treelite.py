"""tl2cgen: the forest as C source, compiled by the system's compiler; and treelite's own interpreter."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from typing import Any

import numpy as np

from scalable.latency.engines.base import Absent, Engine, ForestModel


def _load(model: ForestModel) -> Any:
    try:
        import treelite  # type: ignore[import-not-found,unused-ignore]
    except ImportError as error:
        raise Absent("treelite is not installed (pip install 'scalable-training[peers]')") from error
    descriptor, path = tempfile.mkstemp(suffix=".txt")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(model.lightgbm_text)
        return treelite.frontend.load_lightgbm_model(path)
    except treelite.TreeliteError as error:
        raise Absent(f"treelite cannot read this model: {str(error)[:120]}") from error
    finally:
        os.unlink(path)


def _shape(values: Any, n_rows: int) -> np.ndarray:
    out = np.asarray(values, np.float64).reshape(n_rows, -1)
    return out[:, 0] if out.shape[1] == 1 else out


class _Compiled:
    def __init__(self, model: ForestModel, n_threads: int) -> None:
        try:
            import tl2cgen  # type: ignore[import-not-found,unused-ignore]
        except ImportError as error:
            raise Absent("tl2cgen is not installed (pip install 'scalable-training[peers]')") from error
        forest = _load(model)
        folder = tempfile.mkdtemp(prefix="tl2cgen-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        library = os.path.join(folder, "forest.so")
        try:
            tl2cgen.export_lib(
                forest, toolchain="gcc", libpath=library, params={"parallel_comp": os.cpu_count() or 1}
            )
        except Exception as error:  # no compiler, or one that fails
            raise Absent(f"tl2cgen could not compile: {str(error)[:120]}") from error
        self._matrix = tl2cgen.DMatrix
        self._open: Any = lambda threads: tl2cgen.Predictor(library, nthread=threads)
        self.n_threads = n_threads

    @property
    def n_threads(self) -> int:
        return self._threads

    @n_threads.setter
    def n_threads(self, threads: int) -> None:
        self._threads, self._predictor = threads, self._open(threads)

    def predict(self, X: np.ndarray) -> np.ndarray:
        return _shape(self._predictor.predict(self._matrix(X)), len(X))

    def predict_one(self, x: np.ndarray) -> Any:
        return self.predict(x.reshape(1, -1))[0]


class _Interpreter:
    def __init__(self, model: ForestModel, n_threads: int) -> None:
        self._forest = _load(model)
        import treelite

        self._run, self.n_threads = treelite.gtil.predict, n_threads

    def predict(self, X: np.ndarray) -> np.ndarray:
        return _shape(self._run(self._forest, X, nthread=self.n_threads), len(X))

    def predict_one(self, x: np.ndarray) -> Any:
        return self.predict(x.reshape(1, -1))[0]


def build(model: ForestModel, n_threads: int) -> Engine:
    """Load the text into treelite's interpreter."""
    return _Interpreter(model, n_threads)


def build_compiled(model: ForestModel, n_threads: int) -> Engine:
    """Generate and compile C."""
    return _Compiled(model, n_threads)
