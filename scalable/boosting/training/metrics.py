"""Validation metrics over the rows of all workers, formed from sums that workers exchange.

Additive metrics are a weighted mean of a loss per row, so the sums of the workers give the value of a single process up
to the order of summation. AUC is exact while the validation rows are at most ``EXACT_ROWS``, whose scores then travel
to every worker; above that it is counted in ``N_BUCKETS`` buckets of the score, equal whatever the workers: pairs that
share a bucket count half, so its error is at most half the fraction of such pairs, which is reported beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.errors import UsageError

Array = NDArray[np.float64]
EXACT_ROWS = 2**20
N_BUCKETS = 2**16
SPREAD = 24.0  # log odds beyond this share the outermost buckets
_TINY = 1e-15  # LightGBM's own clip of probabilities

_SYNONYMS = {
    "mse": "l2", "mean_squared_error": "l2", "regression": "l2", "regression_l2": "l2", "l2_root": "rmse",
    "root_mean_squared_error": "rmse", "mae": "l1", "mean_absolute_error": "l1", "regression_l1": "l1",
    "binary": "binary_logloss", "multiclass": "multi_logloss", "softmax": "multi_logloss",
    "multiclassova": "multi_logloss", "cross_entropy": "binary_logloss", "xentropy": "binary_logloss",
    "mean_absolute_percentage_error": "mape",
}  # fmt: skip
HIGHER_IS_BETTER = frozenset({"auc"})


def _rows_of(prediction: Array, label: Array) -> Array:
    return np.asarray(prediction[np.arange(len(label)), label.astype(np.intp)])


def _poisson(y: Array, p: Array) -> Array:
    p = np.maximum(p, 1e-10)
    return np.asarray(p - y * np.log(p))


def _log_loss(y: Array, p: Array) -> Array:
    p = np.clip(p, _TINY, 1 - _TINY)
    return np.asarray(-(y * np.log(p) + (1 - y) * np.log1p(-p)))


_LOSSES: dict[str, Callable[[Array, Array], Array]] = {
    "l2": lambda y, p: np.square(y - p),
    "rmse": lambda y, p: np.square(y - p),
    "l1": lambda y, p: np.abs(y - p),
    "mape": lambda y, p: np.abs(y - p) / np.maximum(1.0, np.abs(y)),
    "poisson": _poisson,
    "binary_logloss": _log_loss,
    "binary_error": lambda y, p: ((p > 0.5) != (y > 0.5)).astype(np.float64),
    "multi_logloss": lambda y, p: -np.log(np.maximum(_rows_of(p, y), _TINY)),
    # A tie for the best class is an error, as in LightGBM.
    "multi_error": lambda y, p: ((p >= _rows_of(p, y)[:, None]).sum(axis=1) > 1).astype(np.float64),
}


def metric_names(wanted: Any, objective: str) -> tuple[str, ...]:
    """Return the metrics to evaluate, in canonical spelling.

    Parameters
    ----------
    wanted : str, sequence of str, or None
        LightGBM's ``metric`` parameter; by default the objective's own.
    objective : str
        LightGBM's objective.

    Raises
    ------
    UsageError
        On a metric that is not evaluated over several workers.
    """
    if wanted is None or wanted == "":
        wanted = objective if _SYNONYMS.get(objective, objective) in _LOSSES else "l2"
    given = wanted.split(",") if isinstance(wanted, str) else list(wanted)
    names = []
    for name in given:
        known = _SYNONYMS.get(name.strip(), name.strip())
        if known in ("None", "none", "null", "na", "custom"):
            continue
        if known not in _LOSSES and known != "auc":
            raise UsageError(
                f"metric {name!r} is not evaluated over all workers; use {', '.join([*_LOSSES, 'auc'])}"
            )
        names.append(known)
    return tuple(dict.fromkeys(names))


def partial_sums(name: str, label: Array, prediction: Array, weight: Array | None) -> Array:
    """Return what one worker contributes to a metric.

    Parameters
    ----------
    label : float64 array of shape (n_rows,)
    prediction : float64 array of shape (n_rows,) or (n_rows, n_classes)
        As LightGBM outputs it, after the link.
    weight : float64 array of shape (n_rows,) or None

    Returns
    -------
    float64 array
        (sum of weighted losses, sum of weights), or for AUC the weights per bucket, negatives first.
    """
    w = np.ones(len(label)) if weight is None else weight
    if name != "auc":
        return np.array([np.dot(w, _LOSSES[name](label, prediction)), w.sum()])
    p = np.clip(prediction, 1e-300, 1 - 1e-16)
    odds = np.log(p) - np.log1p(-p)
    bucket = ((np.clip(odds, -SPREAD, SPREAD) + SPREAD) * ((N_BUCKETS - 1) / (2 * SPREAD))).astype(np.intp)
    positive = label > 0.5
    return np.concatenate(
        [np.bincount(bucket[of], weights=w[of], minlength=N_BUCKETS) for of in (~positive, positive)]
    )


def combined(name: str, parts: list[Array]) -> tuple[float, float]:
    """Return a metric's value, and a bound of its error, from the workers' contributions in worker order."""
    total = np.sum(parts, axis=0)
    if name != "auc":
        value = float(total[0] / total[1]) if total[1] > 0 else float("nan")
        return (float(np.sqrt(value)) if name == "rmse" else value), 0.0
    negative, positive = total[:N_BUCKETS], total[N_BUCKETS:]
    pairs = negative.sum() * positive.sum()
    if pairs == 0:
        return float("nan"), 0.0
    below = np.cumsum(negative) - negative
    shared = float(np.dot(positive, negative))
    return float((np.dot(positive, below) + 0.5 * shared) / pairs), 0.5 * shared / float(pairs)


def exact_auc(label: Array, prediction: Array, weight: Array | None) -> float:
    """Return the area under the ROC curve, ties counting half, of all rows."""
    order = np.argsort(prediction, kind="stable")
    w = np.ones(len(label)) if weight is None else weight[order]
    positive = label[order] > 0.5
    first = np.flatnonzero(np.diff(prediction[order], prepend=-np.inf))  # where each distinct score begins
    negatives = np.add.reduceat(np.where(positive, 0.0, w), first)
    positives = np.add.reduceat(np.where(positive, w, 0.0), first)
    pairs = negatives.sum() * positives.sum()
    below = np.cumsum(negatives) - negatives
    return float(np.dot(positives, below + 0.5 * negatives) / pairs) if pairs > 0 else float("nan")


def higher_is_better(name: str, custom: Mapping[str, bool] | None = None) -> bool:
    """Return whether larger values of a metric are better."""
    return name in HIGHER_IS_BETTER or bool((custom or {}).get(name, False))
