"""What `fit` of LightGBM's estimators takes, as this package's options."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import lightgbm as lgb
import numpy as np
from sklearn.utils.class_weight import compute_sample_weight

from scalable.data.source import Source
from scalable.errors import UsageError

# Attributes of LightGBM's estimators that hold parameters, and what they are by default.
DEFAULTS = {
    "boosting_type": "gbdt", "subsample_for_bin": 200_000, "objective": None, "min_split_gain": 0.0,
    "min_child_weight": 0.001, "subsample": 1.0, "subsample_freq": 0, "colsample_bytree": 1.0, "reg_alpha": 0.0,
    "reg_lambda": 0.0, "n_jobs": None,
}  # fmt: skip


def held_out(
    source_of: Callable[[Any, Any, Any], Source],
    eval_set: Any,
    eval_X: Any,
    eval_y: Any,
    weights: Any,
    class_weights: Any = None,
) -> list[Source]:
    """Return the validation sets as sources.

    Parameters
    ----------
    source_of : callable
        Makes a source of rows, labels and weights.
    eval_set : sequence of tuple, tuple, Source or None
        Each of rows and labels.
    eval_X, eval_y : rows and labels, or tuples of them, or None
        LightGBM's newer way to say the same.
    weights : sequence of array-like or None
        Of each set.
    class_weights : sequence of dict, "balanced" or None; or None
        Of each set, multiplied with its `weights`.

    Raises
    ------
    UsageError
        When they contradict one another.
    """
    if eval_X is not None or eval_y is not None:
        if eval_set is not None:
            raise UsageError("give the validation rows as eval_set or as eval_X and eval_y, not both")
        several = isinstance(eval_X, tuple)
        eval_set = list(zip(eval_X, eval_y, strict=True)) if several else [(eval_X, eval_y)]
    if eval_set is None:
        return []
    if isinstance(eval_set, Source) or (isinstance(eval_set, tuple) and not isinstance(eval_set[0], tuple)):
        eval_set = [eval_set]
    given = [None] * len(eval_set) if weights is None else list(weights)
    if len(given) != len(eval_set):
        raise UsageError(
            f"eval_sample_weight holds {len(given)} weights for {len(eval_set)} sets of eval_set"
        )
    by_class: list[Any] = [None] * len(eval_set) if class_weights is None else list(class_weights)
    if isinstance(class_weights, (str, dict)) or len(by_class) != len(eval_set):
        raise UsageError(
            f"eval_class_weight must be a list of {len(eval_set)}, one entry for each set of eval_set, "
            f"found {class_weights!r}"
        )
    found = []
    for one, weight, classes in zip(eval_set, given, by_class, strict=True):
        X, y, w = (one, None, None) if isinstance(one, Source) else (*one, None)[:3]
        weighted = w if weight is None else weight
        if classes is not None:
            if isinstance(one, Source):
                raise UsageError(
                    "eval_class_weight needs labels in memory; give a set that is a source a weight column"
                )
            of_class = compute_sample_weight(classes, np.asarray(y))
            weighted = of_class if weighted is None else of_class * np.asarray(weighted, np.float64)
        found.append(source_of(X, y, weighted))
    return found


def split_metrics(given: Any) -> tuple[list[str], list[Callable[..., Any]]]:
    """Return LightGBM's metrics and the user's of ``eval_metric``."""
    if given is None:
        return [], []
    listed: Sequence[Any] = [given] if isinstance(given, str) or callable(given) else list(given)
    return [m for m in listed if isinstance(m, str)], [m for m in listed if callable(m)]


def best_scores(
    history: Sequence[Sequence[tuple[str, str, float]]], best: int = 0
) -> dict[str, dict[str, float]]:
    """Return the metrics of every validation set after the best iteration, or the last where there is none (0)."""
    found: dict[str, dict[str, float]] = {}
    for name, metric, value in history[max(best, 0) - 1] if history else ():
        found.setdefault(name, {})[metric] = value
    return found


def results(history: Sequence[Sequence[tuple[str, str, float]]]) -> dict[str, dict[str, list[float]]]:
    """Return the metrics of every validation set after each iteration."""
    found: dict[str, dict[str, list[float]]] = {}
    for step in history:
        for name, metric, value in step:
            found.setdefault(name, {}).setdefault(metric, []).append(value)
    return found


def custom(booster: lgb.Booster) -> bool:
    """Whether a model answers raw scores only, because its objective is the user's."""
    head = booster.model_to_string(num_iteration=1).split("\nTree=", 1)[0]
    lines = [line for line in head.splitlines() if line.startswith("objective=")]
    return not lines or lines[0] == "objective=custom"
