"""Probabilities that come true: a trained classifier's, corrected by a curve learned from rows held out."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special
from sklearn.isotonic import IsotonicRegression

from scalable import lapack
from scalable.data.block import RawBlock
from scalable.data.roles import Roles
from scalable.data.source import Source
from scalable.errors import DataError, ModelError, UsageError
from scalable.evaluate.inputs import as_columns, as_predictor
from scalable.evaluate.post_hoc.score_table import Key, ScoreTable, TableReduction, float_keys
from scalable.execution.executors import Executor
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import FEW_LEAVES, run_reduction
from scalable.execution.threads import Threads
from scalable.features.target import read_weights
from scalable.storage.documents import typed, understood
from scalable.storage.places import place
from scalable.storage.replace import write_text

METHODS = ("platt", "isotonic", "temperature")
LEAST = 2.0**-52  # of a probability whose logarithm is taken
STEPS = 100


@dataclass(frozen=True)
class Calibrator:
    """A curve from probabilities to probabilities.

    Attributes
    ----------
    method : {"platt", "isotonic", "temperature"}
        ``slope * log odds + offset`` by maximum likelihood with Platt's (1999) targets; the best rising curve (Zadrozny
        and Elkan, 2002), as scikit-learn's; log probabilities times `slope`, 1 / temperature (Guo et al., 2017), of two
        classes or more.
    slope, offset : float
    given, rates : tuple of float
        Corners of the rising curve.
    """

    method: str
    slope: float = 1.0
    offset: float = 0.0
    given: tuple[float, ...] = field(default=(), repr=False)
    rates: tuple[float, ...] = field(default=(), repr=False)

    @classmethod
    def fit(
        cls, model: Any, source: Source, method: str = "platt", *, executor: Executor | None = None
    ) -> Calibrator:
        """Learn the curve from rows that the model was not trained on: one pass, several for many classes.

        Parameters
        ----------
        model : Predictor or fitted classifier
        source : Source
            Labelled rows, with weights perhaps.

        Raises
        ------
        UsageError, DataError
            When the method is unknown or takes two classes only, or rows are of one class.
        """
        predictor = as_predictor(model)
        if method not in METHODS:
            raise UsageError(
                f"method must be {', '.join(map(repr, METHODS[:-1]))} or {METHODS[-1]!r}, not {method!r}"
            )
        if predictor.task not in ("binary", "multiclass"):
            raise UsageError(f"probabilities are calibrated, and the model's task is {predictor.task}")
        names = dict.fromkeys([*predictor.needed, *source.roles.learned_from])
        reader, run = BlockReader(source, columns=tuple(names)), executor or Threads()
        source.roles.require_target()
        if predictor.task == "multiclass":
            if method != "temperature":
                raise UsageError(f"{method!r} takes two classes; 'temperature' takes more")
            return cls(method, _slope_of_many(predictor, source.roles, reader, run))
        work = _Probabilities(predictor, source.roles)
        tables = run_reduction(run, work, reader, label="calibrate", leaves=FEW_LEAVES)
        table = tables.get(None)
        weight, positive = (0.0, 0.0) if table is None else table.sums[:, :2].sum(axis=0)
        if table is None or not 0.0 < positive < weight:
            raise DataError(f"{source.describe_place()}: calibration needs rows of both classes")
        return cls._of_table(method, table)

    @classmethod
    def of_predictions(cls, y: Any, p: Any, method: str = "platt") -> Calibrator:
        """Learn the curve from labels 0 and 1 and probabilities in memory, both of shape (n_rows,).

        Raises
        ------
        UsageError, DataError
            When the method is unknown, shapes disagree, or rows are of one class.
        """
        if method not in METHODS:
            raise UsageError(
                f"method must be {', '.join(map(repr, METHODS[:-1]))} or {METHODS[-1]!r}, not {method!r}"
            )
        labels, scores, _ = as_columns(y, p, None)
        wrong = ~((labels == 0.0) | (labels == 1.0)) | ~((scores >= 0.0) & (scores <= 1.0))
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise DataError(
                f"row {row:,}: label {labels[row]:g}, probability {scores[row]:g}; expected 0 or 1, and 0 to 1"
            )
        if not 0.0 < labels.sum() < len(labels):
            raise DataError("calibration needs rows of both classes")
        sums = np.stack([np.ones(len(labels)), labels, scores], axis=1)
        return cls._of_table(method, ScoreTable.of(float_keys(scores), sums))

    @classmethod
    def _of_table(cls, method: str, table: ScoreTable) -> Calibrator:
        held = table.sums[:, 0] > 0.0
        weight, positive, score = table.sums[held].T
        p = score / weight
        if method == "isotonic":
            curve = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(
                p, positive / weight, weight
            )
            return cls(
                method, 1.0, 0.0, tuple(curve.X_thresholds_.tolist()), tuple(curve.y_thresholds_.tolist())
            )
        z = _log_odds(p)
        if method == "temperature":
            slope, _ = _fit_line(z, weight, positive, False)
            return cls(method, slope)
        n, ones = weight.sum(), positive.sum()
        soft = positive * ((ones + 1.0) / (ones + 2.0)) + (weight - positive) / (n - ones + 2.0)
        return cls(method, *_fit_line(z, weight, soft, True))

    def apply(self, p: Any) -> NDArray[np.float64]:
        """Return corrected probabilities, of the positive class (n_rows,) or of all classes (n_rows, k)."""
        p = np.asarray(p, np.float64)
        if p.ndim == 2:
            if self.method != "temperature":
                raise UsageError(
                    f"{self.method!r} corrects the probability of the positive class, shape (n_rows,)"
                )
            return np.asarray(special.softmax(self.slope * np.log(np.maximum(p, LEAST)), axis=1))
        if self.method == "isotonic":
            return np.asarray(np.interp(p, self.given, self.rates))
        return np.asarray(special.expit(self.slope * _log_odds(p) + self.offset))

    def to_json(self) -> str:
        """Return what `save` writes."""
        return json.dumps(asdict(self))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write as JSON."""
        write_text(place(path), self.to_json())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Calibrator:
        """Read what `save` wrote; a ModelError when it is damaged."""
        with understood(ModelError, path, "calibrate again"):
            return cls.of_document(json.loads(place(path).read_text()))

    @classmethod
    def of_document(cls, document: Any) -> Calibrator:
        """Return the curve of its JSON; a ValueError when it is none."""
        found = typed(cls, document)
        corners = np.array([found.given, found.rates])
        rising = bool((np.diff(corners, axis=1) >= 0.0).all() and (np.abs(corners - 0.5) <= 0.5).all())
        finite = bool(np.isfinite([found.slope, found.offset]).all())
        if (
            found.method not in METHODS
            or not (rising and finite)
            or (found.method == "isotonic") == (not found.given)
        ):
            raise ValueError(f"a curve of {found.method!r} that is none")
        return found


def _log_odds(p: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(special.logit(np.clip(p, LEAST, 1.0 - LEAST)))


def _fit_line(
    z: NDArray[np.float64], weight: NDArray[np.float64], positive: NDArray[np.float64], offset: bool
) -> tuple[float, float]:
    """Return slope and offset of the most likely logistic line, by Newton's steps, halved where the loss rises."""
    x = np.stack([z, np.ones_like(z)])[: 1 + offset]
    b = np.array([1.0, 0.0])[: 1 + offset]

    def loss(b: NDArray[np.float64]) -> float:
        line = b @ x
        return float(weight @ np.logaddexp(0.0, line) - positive @ line)

    value = loss(b)
    for _ in range(STEPS):
        p = special.expit(b @ x)
        gradient = x @ (weight * p - positive)
        hessian = (x * (weight * p * (1.0 - p))) @ x.T
        ridge = (1e-13 * np.trace(hessian) + 1e-300) * np.eye(len(b))
        step = lapack.cho_solve(lapack.cho_factor(hessian + ridge), gradient)
        while (after := loss(b - step)) > value + 1e-12 * abs(value) and np.abs(step).max() > 1e-15:
            step = step / 2.0
        b, value = b - step, after
        if np.abs(step).max() <= 1e-12 * max(1.0, float(np.abs(b).max())) or np.abs(b).max() > 1e8:
            break
    return float(b[0]), float(b[1]) if offset else 0.0


@dataclass(frozen=True)
class _Probabilities(TableReduction):
    """Of the probability of the positive class."""

    predictor: Any
    roles: Roles
    by = None

    def rows(self, block: RawBlock) -> tuple[NDArray[np.int64] | None, list[Any], Key, NDArray[np.float64]]:
        y, weight = _labels(self.predictor, self.roles, block)
        p = self.predictor.predict_block(block)
        return None, [], float_keys(p), np.stack([weight, weight * y, weight * p], axis=1)


@dataclass(frozen=True)
class _Tempered:
    """Reduction to gradient and curvature of the log loss in the slope, and the weight."""

    slope: float
    predictor: Any
    roles: Roles

    def init(self) -> NDArray[np.float64]:
        return np.zeros(3)

    def step(self, state: NDArray[np.float64], block: RawBlock) -> NDArray[np.float64]:
        y, weight = _labels(self.predictor, self.roles, block)
        logs = np.log(np.maximum(self.predictor.predict_block(block), LEAST))
        q = special.softmax(self.slope * logs, axis=1)
        mean = (q * logs).sum(axis=1)
        own = logs[np.arange(len(y)), y.astype(np.int64)]
        spread = (q * (logs - mean[:, None]) ** 2).sum(axis=1)
        return np.asarray(state + np.array([weight @ (mean - own), weight @ spread, weight.sum()]))

    def merge(self, left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
        return left + right

    def finish(self, state: NDArray[np.float64]) -> NDArray[np.float64]:
        return state


def _slope_of_many(predictor: Any, roles: Roles, reader: BlockReader, executor: Executor) -> float:
    """Return the most likely slope of log probabilities of several classes: Newton's steps, a pass each."""
    slope = 1.0
    for _ in range(STEPS):
        work = _Tempered(slope, predictor, roles)
        gradient, curvature, weight = run_reduction(executor, work, reader, label="calibrate")
        if not weight > 0.0 or not curvature > 0.0:
            raise DataError(
                f"{reader.source.describe_place()}: calibration needs rows, and probabilities that differ; look at the "
                "filters and the model"
            )
        after = min(max(slope - gradient / curvature, slope / 4.0), slope * 4.0)
        if abs(after - slope) <= 1e-10 * slope or not 1e-6 < after < 1e6:
            return float(after)
        slope = after
    return float(slope)


def _labels(predictor: Any, roles: Roles, block: RawBlock) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    target = roles.require_target()
    y = predictor.encode_label(block.arrays[target], target, block.where)
    name = roles.weight
    weight = np.ones(len(y)) if name is None else read_weights(block.arrays[name], name, block.where)
    return np.asarray(y, np.float64), np.asarray(weight, np.float64)
