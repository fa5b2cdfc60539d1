"""LightGBM's objectives under one name each, and how their default metrics are called."""

from __future__ import annotations

import math

from scalable.errors import DataError, UsageError
from scalable.models.parameters import nearest

_NAMES = {
    "regression": ("regression_l2", "mean_squared_error", "mse", "l2", "l2_root", "root_mean_squared_error", "rmse"),
    "regression_l1": ("mean_absolute_error", "l1", "mae"),
    "mape": ("mean_absolute_percentage_error",),
    "multiclass": ("softmax",),
    "multiclassova": ("multiclass_ova", "ova", "ovr"),
    "cross_entropy": ("xentropy",),
    "cross_entropy_lambda": ("xentlambda",),
    "rank_xendcg": ("xendcg", "xe_ndcg", "xe_ndcg_mart", "xendcg_mart"),
    "custom": ("none", "null", "na"),
    **dict.fromkeys(("binary", "huber", "fair", "poisson", "quantile", "gamma", "tweedie", "lambdarank"), ()),
}  # fmt: skip
_MAIN = {alias: main for main, aliases in _NAMES.items() for alias in (main, *aliases)}
# LightGBM averages the workers' own percentiles for their leaves, whatever rows these hold.
PERCENTILES = ("regression_l1", "quantile", "mape")
RANKING = ("lambdarank", "rank_xendcg")
_LABELS = {  # lowest, highest, in words
    **dict.fromkeys(("cross_entropy", "cross_entropy_lambda"), (0.0, 1.0, "between 0 and 1")),
    **dict.fromkeys(("poisson", "gamma", "tweedie"), (0.0, math.inf, "not negative")),
}


def main_objective(name: str) -> str:
    """Return LightGBM's main name of an objective.

    Raises
    ------
    UsageError
        With the nearest name, on one it does not have.
    """
    found = _MAIN.get(name.strip().lower())
    if found is None:
        raise UsageError(f"LightGBM has no objective {name!r}; {nearest(name, _MAIN)}")
    return found


def check_labels(objective: str, low: float, high: float, *, positive: bool = False) -> None:
    """Raise a DataError where labels between two values are none that an objective has a loss for."""
    least, most, words = _LABELS.get(objective, (-math.inf, math.inf, ""))
    words = "above 0" if positive else words
    if low < least or high > most or (positive and low <= 0.0):
        raise DataError(
            f"objective {objective!r} needs labels {words}; they lie between {low:g} and {high:g}"
        )
