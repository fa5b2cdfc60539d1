"""Streaming metrics: reductions over (labels, predictions, weights) of fixed size, whatever the rows."""

from __future__ import annotations

from scalable.evaluate.binary import BinaryMetrics, BinaryReport
from scalable.evaluate.multiclass import MulticlassMetrics, MulticlassReport
from scalable.evaluate.predictions import evaluate_predictions
from scalable.evaluate.regression import RegressionMetrics, RegressionReport

__all__ = [
    "BinaryMetrics",
    "BinaryReport",
    "MulticlassMetrics",
    "MulticlassReport",
    "RegressionMetrics",
    "RegressionReport",
    "evaluate_predictions",
]
