"""How good a model is and what it may promise: metrics, intervals, calibration, folds, leaks; sizes fixed, any rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scalable.lazy import lazily

if TYPE_CHECKING:
    from scalable.evaluate.binary import BinaryMetrics, BinaryReport
    from scalable.evaluate.cross_validation import folds, purged_folds, stratified_folds, time_folds
    from scalable.evaluate.leaks import find_leaks
    from scalable.evaluate.multiclass import MulticlassMetrics, MulticlassReport
    from scalable.evaluate.post_hoc.conformal import Conformal
    from scalable.evaluate.post_hoc.recalibration import Calibrator
    from scalable.evaluate.predictions import evaluate_predictions
    from scalable.evaluate.regression import RegressionMetrics, RegressionReport

__all__ = [
    "BinaryMetrics",
    "BinaryReport",
    "Calibrator",
    "Conformal",
    "MulticlassMetrics",
    "MulticlassReport",
    "RegressionMetrics",
    "RegressionReport",
    "evaluate_predictions",
    "find_leaks",
    "folds",
    "purged_folds",
    "stratified_folds",
    "time_folds",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "scalable.evaluate.binary": ("BinaryMetrics", "BinaryReport"),
        "scalable.evaluate.cross_validation": ("folds", "purged_folds", "stratified_folds", "time_folds"),
        "scalable.evaluate.leaks": ("find_leaks",),
        "scalable.evaluate.multiclass": ("MulticlassMetrics", "MulticlassReport"),
        "scalable.evaluate.post_hoc.conformal": ("Conformal",),
        "scalable.evaluate.post_hoc.recalibration": ("Calibrator",),
        "scalable.evaluate.predictions": ("evaluate_predictions",),
        "scalable.evaluate.regression": ("RegressionMetrics", "RegressionReport"),
    },
)
