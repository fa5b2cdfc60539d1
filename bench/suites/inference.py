"""What a compiled forest costs: one row at a time, batches, loading, memory."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from .median import named

try:
    import scalable.inference as _  # noqa: F401  only to know whether it is there

    missing = ""
except ImportError as error:  # a commit from before it
    missing = str(error)

TREES, LEAVES, FEATURES = 200, 63, 28


def setup(*params: object) -> None:
    """Skip what an old commit lacks; asv calls this before each benchmark of the file."""
    if missing:
        raise NotImplementedError(missing)


def _later(module: str, name: str) -> Any:
    """Return what came after the rest of the package; its benchmark is skipped before."""
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise NotImplementedError(str(error)) from error


def _rows(count: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((count, FEATURES))


def _train(path: str) -> None:
    import lightgbm

    X = _rows(30_000)
    y = (X[:, 0] * X[:, 1] + X[:, 2] + np.random.default_rng(2).standard_normal(len(X))) > 0
    params = {
        "objective": "binary",
        "num_leaves": LEAVES,
        "verbose": -1,
        "num_threads": 1,
        "min_data_in_leaf": 5,
    }
    lightgbm.train(params, lightgbm.Dataset(X, y), TREES).save_model(path)


class _Suite:
    """Trains one model per environment; benchmarks get the path of its text."""

    timeout = 300

    def setup_cache(self) -> str:
        path = os.path.abspath("forest.txt")
        _train(path)
        return path


def _compiled(text: str) -> Any:
    from scalable.inference import compile_model

    return compile_model(text)


class SingleRow(_Suite):
    """One row per call from Python; rows never repeat."""

    unit = "us"

    def _times(self, text: str) -> np.ndarray:
        predict_one: Callable[[np.ndarray], float] = _compiled(text).predict_one
        rows = list(_rows(6000))
        for row in rows[:1000]:
            predict_one(row)
        taken = np.empty(len(rows) - 1000, np.int64)
        for i, row in enumerate(rows[1000:]):
            start = time.perf_counter_ns()
            predict_one(row)
            taken[i] = time.perf_counter_ns() - start
        return taken / 1e3

    @named("Predict one row, median")
    def track_p50(self, text: str) -> float:
        return float(np.quantile(self._times(text), 0.5))

    @named("Predict one row, 99th percentile")
    def track_p99(self, text: str) -> float:
        return float(np.quantile(self._times(text), 0.99))


class Batch(_Suite):
    """Nanoseconds a row of whole batches."""

    params = ([16, 1_000, 100_000], [1, 2])
    param_names = ("rows", "threads")
    unit = "ns/row"

    @named("Predict a batch")
    def track_batch(self, text: str, rows: int, threads: int) -> float:
        forest, X = _compiled(text), _rows(rows)
        forest.predict(X, n_threads=threads)
        taken = []
        for _ in range(7):
            start = time.perf_counter_ns()
            forest.predict(X, n_threads=threads)
            taken.append(time.perf_counter_ns() - start)
        return float(np.median(taken)) / rows


class Load(_Suite):
    """From a file to a prediction, kernels already in the cache and in the process."""

    rounds = 1

    def setup(self, text: str) -> None:
        self.load = _later("scalable.inference", "load_compiled")
        self.mapped = f"{text}.{os.getpid()}.forest"
        forest = _compiled(text)
        self.x = _rows(1)[0]
        forest.predict_one(self.x)
        forest.predict(_rows(1000))
        forest.save(self.mapped)

    def teardown(self, text: str) -> None:
        if hasattr(self, "mapped"):  # not where it was skipped
            os.unlink(self.mapped)

    @named("From LightGBM's text to a first prediction")
    def time_text_to_first_row(self, text: str) -> None:
        _compiled(text).predict_one(self.x)

    @named("From a compiled file to a first prediction")
    def time_mapped_to_first_row(self, text: str) -> None:
        self.load(self.mapped).predict_one(self.x)


class Memory(_Suite):
    """Peak of a process that scores a batch."""

    @named("Peak memory of predicting a batch")
    def peakmem_batch(self, text: str) -> None:
        _compiled(text).predict(_rows(10_000))


class Linear:
    """One row of a linear model with 28 features."""

    unit = "us"

    def setup(self) -> None:
        compiled = _later("scalable.inference.linear_row", "CompiledLinear")
        self.model = compiled(np.linspace(-1, 1, FEATURES), np.zeros(1), "logistic")

    @named("Predict one row of a linear model, median")
    def track_p50(self) -> float:
        rows = list(_rows(5000))
        taken = np.empty(len(rows), np.int64)
        for i, row in enumerate(rows):
            start = time.perf_counter_ns()
            self.model.predict_one(row)
            taken[i] = time.perf_counter_ns() - start
        return float(np.median(taken[500:])) / 1e3
