"""Metrics of predictions that are already in memory."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from scalable.errors import UsageError
from scalable.evaluate.binary import BinaryMetrics
from scalable.evaluate.multiclass import MulticlassMetrics
from scalable.evaluate.regression import RegressionMetrics

Kind = Literal["binary", "multiclass", "regression"]


def evaluate_predictions(
    y: npt.ArrayLike, p: npt.ArrayLike, weight: npt.ArrayLike | None = None, kind: Kind = "binary"
) -> dict[str, Any]:
    """Return the metrics of predictions as plain numbers, ready for JSON.

    Parameters
    ----------
    y : array-like of shape (n,)
        Labels 0/1, class indices 0..k-1, or targets.
    p : array-like of shape (n,), or (n, k) for multiclass
        Probability of label 1, probabilities of the classes, or predicted targets.
    weight : array-like of shape (n,), optional
        Sample weights >= 0.
    kind : {"binary", "multiclass", "regression"}
        Which reduction measures: see `BinaryReport`, `MulticlassReport` and `RegressionReport` for the keys.

    Raises
    ------
    DataError
        When shapes disagree, a value is out of its domain, or no row has positive weight.
    UsageError
        When `kind` is unknown.

    Examples
    --------
    >>> from scalable.evaluate import evaluate_predictions
    >>> report = evaluate_predictions([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> report["auc"], report["auc_error"]
    (0.75, 0.0)
    """
    if kind == "binary":
        binary = BinaryMetrics()
        return binary.finish(binary.step(binary.init(), y, p, weight)).to_json()
    if kind == "multiclass":
        shape = np.shape(p)
        multiclass = MulticlassMetrics(shape[1] if len(shape) == 2 else 1)
        return multiclass.finish(multiclass.step(multiclass.init(), y, p, weight)).to_json()
    if kind == "regression":
        regression = RegressionMetrics()
        return regression.finish(regression.step(regression.init(), y, p, weight)).to_json()
    raise UsageError(f"evaluate_predictions: kind is {kind!r}; expected binary, multiclass or regression")
