"""What measuring a model costs: kernels, merging and finishing apart, and whole evaluations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .median import named, ns_per_row

try:
    from bench.data import scaled
    from scalable.evaluate import BinaryMetrics, MulticlassMetrics, RegressionMetrics, evaluate_predictions

    missing = ""
except ImportError as error:  # a commit from before these
    missing = str(error)

BLOCK = 2**17
REPEATS = 7


def setup(*params: object) -> None:
    """Skip what an old commit lacks; asv calls this before each benchmark of the file."""
    if missing:
        raise NotImplementedError(missing)


def _draw(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and the rare-event probabilities they were drawn from."""
    random = np.random.default_rng(0)
    p = 1 / (1 + np.exp(-random.normal(-5, 1.5, rows)))
    return (random.random(rows) < p).astype(np.float64), p


class Kernels:
    """One block into a state that exists: the cost of a row. Compiled in `setup`."""

    params = (["unweighted", "weighted"],)
    param_names = ("weights",)
    unit = "ns/row"

    def setup(self, weights: str) -> None:
        self.y, self.p = _draw(BLOCK)
        self.weight = np.full(BLOCK, 0.5) if weights == "weighted" else None
        self.classes = np.column_stack([1 - self.p, self.p * 0.5, self.p * 0.5])
        self.binary, self.three, self.regression = BinaryMetrics(), MulticlassMetrics(3), RegressionMetrics()
        self.states = (self.binary.init(), self.three.init(), self.regression.init())
        self._binary(), self._multiclass(), self._regression()

    def _binary(self) -> object:
        return self.binary.step(self.states[0], self.y, self.p, self.weight)

    def _multiclass(self) -> object:
        return self.three.step(self.states[1], self.y, self.classes, self.weight)

    def _regression(self) -> object:
        return self.regression.step(self.states[2], self.y, self.p, self.weight)

    @named("Score statistics of two classes")
    def track_binary(self, weights: str) -> float:
        return ns_per_row(self._binary, BLOCK, REPEATS)

    @named("Score statistics of three classes")
    def track_three_classes(self, weights: str) -> float:
        return ns_per_row(self._multiclass, BLOCK, REPEATS)

    @named("Error statistics of regression")
    def track_regression(self, weights: str) -> float:
        return ns_per_row(self._regression, BLOCK, REPEATS)

    track_binary.unit = track_three_classes.unit = track_regression.unit = unit  # type: ignore[attr-defined]  # asv reads it


class States:
    """What a shard adds besides its rows: a state to make, to merge and to finish."""

    rounds = 1

    def setup(self) -> None:
        self.reduction = BinaryMetrics()
        y, p = _draw(BLOCK)
        self.left = self.reduction.step(self.reduction.init(), y, p)
        self.right = self.reduction.step(self.reduction.init(), y, p)
        self.reduction.finish(self.reduction.merge(self.reduction.init(), self.right))

    @named("Merge two evaluation states")
    def time_merge(self) -> None:
        self.reduction.merge(self.left, self.right)

    @named("Turn an evaluation state into metrics")
    def time_finish(self) -> None:
        self.reduction.finish(self.right)


class Job:
    """A whole evaluation of predictions in memory, curves and error bounds included."""

    timeout = 600

    def setup(self) -> None:
        self.rows = scaled(1_000_000)
        self.y, self.p = _draw(self.rows)
        evaluate_predictions(self.y[:100], self.p[:100])

    @named("A whole evaluation")
    def track_evaluate(self) -> float:
        return ns_per_row(lambda: evaluate_predictions(self.y, self.p), self.rows, REPEATS)

    @named("Error bound of the streamed AUC")
    def track_auc_error_bound(self) -> float:
        return float(evaluate_predictions(self.y, self.p)["auc_error"])

    @named("Peak memory of an evaluation")
    def peakmem_evaluate(self) -> None:
        evaluate_predictions(self.y, self.p)

    track_evaluate.unit = "ns/row"  # type: ignore[attr-defined]  # asv reads it
    track_auc_error_bound.unit = "AUC"  # type: ignore[attr-defined]  # asv reads it


class Promises:
    """Passes over rows in memory: thresholds, a curve, a look for leaks, an effect."""

    params = (["conformal", "isotonic", "find_leaks", "double_ml"],)
    param_names = ("what",)
    unit = "ns/row"

    def setup(self, what: str) -> None:
        try:
            from scalable.causal import double_ml
            from scalable.evaluate import Calibrator, Conformal, find_leaks
        except ImportError as error:  # a commit from before these
            raise NotImplementedError(str(error)) from error
        import pyarrow as pa

        from scalable.data.table import TableSource
        from scalable.linear import LinearRegression, LogisticRegression

        random = np.random.default_rng(0)
        self.rows = scaled(200_000)
        columns = random.normal(size=(28, self.rows))
        table = {f"f{j}": column for j, column in enumerate(columns)}
        table["y"] = columns[0] + random.normal(size=self.rows)
        if what == "isotonic":
            table["y"] = (table["y"] > 1.0).astype(np.float64)
        source = TableSource(pa.table(table), "y")
        if what in ("conformal", "isotonic"):
            model = (LinearRegression if what == "conformal" else LogisticRegression)().fit(source)
        jobs: dict[str, Callable[[], Any]] = {
            "conformal": lambda: Conformal.calibrate(model, source),
            "isotonic": lambda: Calibrator.fit(model, source, "isotonic"),
            "find_leaks": lambda: find_leaks(source, classify=False),
            "double_ml": lambda: double_ml(source, "f1"),
        }
        self.work = jobs[what]
        self.work()

    @named("What a model may promise")
    def track_pass(self, what: str) -> float:
        """Two passes for the effect, one for the others."""
        return ns_per_row(self.work, self.rows, REPEATS)
