"""What `fit` of LightGBM's estimators takes, as this package's options."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What `fit` was given beside rows, labels and weights, as LightGBM's estimators take it.

    Attributes
    ----------
    init_score : str, list of str, array-like or None
        Columns of the scores that training starts from, or the scores.
    group : str, array-like of int or None
        The column of queries, or their sizes.
    eval_set : sequence of tuple, tuple, Source or None
        Validation sets, each of rows and labels.
    eval_x, eval_y : rows and labels, or tuples of them, or None
        LightGBM's newer way to say the same, there ``eval_X``.
    eval_names : sequence of str or None
        What they are called.
    eval_sample_weight : sequence of array-like or None
        Weights of each set.
    eval_class_weight : sequence of dict, "balanced" or None; or None
        Of each set, multiplied with its weights.
    eval_group : sequence of str or array-like of int, or None
        Queries of each set; by default the column that `group` names.
    eval_init_score : sequence of what `init_score` may be, or None
        Of each set; by default the columns that `init_score` names.
    eval_metric : str, callable, list of them, or None
        What is evaluated.
    feature_name, categorical_feature : "auto" or list
        Of the columns.
    callbacks, init_model
        As of `scalable.boosting.options.Options`.
    """

    init_score: Any = None
    group: Any = None
    eval_set: Any = None
    eval_x: Any = None
    eval_y: Any = None
    eval_names: Any = None
    eval_sample_weight: Any = None
    eval_class_weight: Any = None
    eval_group: Any = None
    eval_init_score: Any = None
    eval_metric: Any = None
    feature_name: Any = "auto"
    categorical_feature: Any = "auto"
    callbacks: Any = None
    init_model: Any = None
    training_set: str = ""


def held_out(source_of: Callable[[Any, Any, Any, Any], Source], given: Given) -> list[Source]:
    """Return the validation sets as sources.

    Parameters
    ----------
    source_of : callable
        Makes a source of rows, labels, weights and queries.
    given : Given
        What `fit` was given.

    Raises
    ------
    UsageError
        When sets, weights and queries contradict one another.
    """
    eval_set = _sets(given)
    n = len(eval_set)
    if not n:
        return []
    weights = _of_each(
        n, given.eval_sample_weight, "eval_sample_weight holds {} weights for {} sets of eval_set"
    )
    groups = _of_each(n, given.eval_group, "eval_group holds the queries of {} sets, but eval_set has {}")
    if given.eval_group is None and isinstance(given.group, str):
        groups = [given.group] * n
    classes = given.eval_class_weight
    by_class: list[Any] = [None] * n if classes is None else list(classes)
    if isinstance(classes, (str, dict)) or len(by_class) != n:
        raise UsageError(
            f"eval_class_weight must be a list of {n}, one entry for each set of eval_set, found {classes!r}"
        )
    return [
        source_of(*_weighted(*each), group)
        for each, group in zip(zip(eval_set, weights, by_class, strict=True), groups, strict=True)
    ]


def _sets(given: Given) -> list[Any]:
    """Return the validation sets as `fit` was given them."""
    eval_set = given.eval_set
    if given.eval_x is not None or given.eval_y is not None:
        if eval_set is not None:
            raise UsageError("give the validation rows as eval_set or as eval_X and eval_y, not both")
        several = isinstance(given.eval_x, tuple)
        eval_set = (
            list(zip(given.eval_x, given.eval_y, strict=True)) if several else [(given.eval_x, given.eval_y)]
        )
    if isinstance(eval_set, Source) or (isinstance(eval_set, tuple) and not isinstance(eval_set[0], tuple)):
        return [eval_set]
    return list(eval_set or ())


def with_training_set(own: tuple[Any, ...], classes: Any, given: Given, options: dict[str, Any]) -> Given:
    """Return what `fit` was given with `valid` of its options, or told which set is that of the training rows.

    As in LightGBM these are told by being the same objects, and have the weights and scores of the training.
    """
    if "valid" in options:
        if given.eval_set is not None or given.eval_x is not None:
            raise UsageError("give the validation rows as valid or as eval_set, not both")
        return replace(given, eval_set=options.pop("valid"))
    rows, labels, weight = own
    same = [not isinstance(one, Source) and one[0] is rows and one[1] is labels for one in _sets(given)]
    if not any(same):
        return given
    at, names = same.index(True), list(given.eval_names or (f"valid_{k}" for k in range(len(same))))
    if not given.eval_names:
        names[at] = "training"
    start = given.init_score if hasattr(given.init_score, "shape") else None
    filled: dict[str, Any] = {"eval_names": names}
    theirs = {"eval_sample_weight": weight, "eval_class_weight": classes, "eval_init_score": start}
    for name, value in theirs.items():
        listed = getattr(given, name)
        if value is not None and (listed is None or isinstance(listed, list)):
            every = listed or [None] * len(same)
            filled[name] = [value if k == at and one is None else one for k, one in enumerate(every)]
    return replace(given, training_set=names[at] if at < len(names) else "", **filled)


def _of_each(n: int, values: Any, fault: str) -> list[Any]:
    """Return one value for each of `n` validation sets."""
    listed = [None] * n if values is None else list(values)
    if len(listed) != n or isinstance(values, str):
        raise UsageError(fault.format(len(listed), n))
    return listed


def _weighted(one: Any, weight: Any, classes: Any) -> tuple[Any, Any, Any]:
    """Return rows, labels and weights of a validation set, times what its classes weigh."""
    X, y, w = (one, None, None) if isinstance(one, Source) else (*one, None)[:3]
    weighted = w if weight is None else weight
    if classes is not None:
        if isinstance(one, Source):
            raise UsageError(
                "eval_class_weight needs labels in memory; give a set that is a source a weight column"
            )
        of_class = compute_sample_weight(classes, np.asarray(y))
        weighted = of_class if weighted is None else of_class * np.asarray(weighted, np.float64)
    return X, y, weighted


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
