"""LightGBM's validation metrics over the rows of all workers, most from sums that workers exchange.

Additive metrics are a weighted mean of a loss per row, so the sums of the workers give the value of a single process up
to the order of summation. Metrics of the order of all rows are in `scalable.boosting.training.ranks`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.boosting.objectives import main_objective
from scalable.boosting.ranking.query_metrics import BY_QUERY, gains_of
from scalable.errors import UsageError
from scalable.models.parameters import nearest

Array = NDArray[np.float64]
_TINY = 1e-15  # LightGBM's own clip of probabilities

_ALIASES = {
    "l1": ("regression_l1", "mean_absolute_error", "mae"),
    "l2": ("regression", "regression_l2", "mean_squared_error", "mse"),
    "rmse": ("l2_root", "root_mean_squared_error"),
    "mape": ("mean_absolute_percentage_error",),
    "binary_logloss": ("binary",),
    "multi_logloss": ("multiclass", "softmax", "multiclassova", "multiclass_ova", "ova", "ovr"),
    "cross_entropy": ("xentropy",),
    "cross_entropy_lambda": ("xentlambda",),
    "kullback_leibler": ("kldiv",),
    "none": ("null", "custom", "na", "None"),
    "ndcg": ("lambdarank", "rank_xendcg", "xendcg", "xe_ndcg", "xe_ndcg_mart", "xendcg_mart"),
    "map": ("mean_average_precision",),
}  # fmt: skip
RANKED = frozenset({"auc", "average_precision", "auc_mu"})  # of all rows' order
HIGHER_IS_BETTER = frozenset({*RANKED, *BY_QUERY, "r2"})
PLACES = (1, 2, 3, 4, 5)  # LightGBM's own eval_at


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric, bound to its parameter.

    Attributes
    ----------
    name : str
        As LightGBM calls it.
    shape : float
        ``alpha``, ``fair_c``, ``tweedie_variance_power``, ``multi_error_top_k`` or one of ``eval_at``; 0 where it has
        none.
    link : str
        The objective, whose predictions of several classes are probabilities.
    gains : tuple of float
        Of each label, for NDCG.
    """

    name: str
    shape: float = 0.0
    link: str = ""
    gains: tuple[float, ...] = ()

    @property
    def shown(self) -> str:
        """Its name in results."""
        placed = self.name in BY_QUERY or (self.name == "multi_error" and self.shape > 1)
        return f"{self.name}@{self.shape:.0f}" if placed else self.name

    @property
    def higher_is_better(self) -> bool:
        """Whether larger values are better."""
        return self.name in HIGHER_IS_BETTER


def _rows_of(prediction: Array, label: Array) -> Array:
    return np.asarray(prediction[np.arange(len(label)), label.astype(np.intp)])


def _poisson(y: Array, p: Array, _: float) -> Array:
    p = np.maximum(p, 1e-10)
    return np.asarray(p - y * np.log(p))


def _log_loss(y: Array, p: Array, _: float) -> Array:
    p = np.clip(p, _TINY, 1 - _TINY)
    return np.asarray(-(y * np.log(p) + (1 - y) * np.log1p(-p)))


def _cross_entropy(y: Array, p: Array, _: float) -> Array:
    """LightGBM clips the logarithms of cross entropy at other places than those of log loss."""
    return np.asarray(
        -(y * np.log(np.maximum(p, 1e-12)) + (1 - y) * np.log(np.maximum(1 - p, 1e-12))), np.float64
    )


def _entropy(y: Array) -> Array:
    return np.asarray(sum(np.where(q > 0, q * np.log(np.maximum(q, 1e-300)), 0.0) for q in (y, 1 - y)))


def _huber(y: Array, p: Array, alpha: float) -> Array:
    d = np.abs(p - y)
    return np.where(d <= alpha, 0.5 * d * d, alpha * (d - 0.5 * alpha))


def _tweedie(y: Array, p: Array, rho: float) -> Array:
    log = np.log(np.maximum(p, 1e-10))
    return np.asarray(-y * np.exp((1 - rho) * log) / (1 - rho) + np.exp((2 - rho) * log) / (2 - rho))


def _gamma_deviance(y: Array, p: Array, _: float) -> Array:
    ratio = y / (p + 1e-9)
    return np.asarray(2 * (ratio - np.log(ratio) - 1))


def _multi_error(y: Array, p: Array, top: float) -> Array:
    """Return the errors, of which a tie for the last of the best classes is one, as in LightGBM."""
    return np.asarray((p >= _rows_of(p, y)[:, None]).sum(axis=1) > max(1.0, top), np.float64)


_LOSSES: dict[str, Callable[[Array, Array, float], Array]] = {
    "l2": lambda y, p, _: np.square(y - p),
    "rmse": lambda y, p, _: np.square(y - p),
    "r2": lambda y, p, _: np.square(y - p),
    "l1": lambda y, p, _: np.abs(y - p),
    "mape": lambda y, p, _: np.abs(y - p) / np.maximum(1.0, np.abs(y)),
    "quantile": lambda y, p, alpha: np.where(y < p, (alpha - 1) * (y - p), alpha * (y - p)),
    "huber": _huber,
    "fair": lambda y, p, c: c * np.abs(p - y) - c * c * np.log1p(np.abs(p - y) / c),
    "poisson": _poisson,
    "gamma": lambda y, p, _: y / p + np.log(p),
    "gamma_deviance": _gamma_deviance,
    "tweedie": _tweedie,
    "binary_logloss": _log_loss,
    "binary_error": lambda y, p, _: ((p > 0.5) != (y > 0.5)).astype(np.float64),
    "cross_entropy": _cross_entropy,
    "kullback_leibler": lambda y, p, _: _cross_entropy(y, p, 0.0) + _entropy(y),
    "multi_logloss": lambda y, p, _: -np.log(np.maximum(_rows_of(p, y), _TINY)),
    "multi_error": _multi_error,
}
# Of which parameter a metric is, and its default.
_SHAPES = {
    "quantile": ("alpha", 0.9), "huber": ("alpha", 0.9), "fair": ("fair_c", 1.0),
    "tweedie": ("tweedie_variance_power", 1.5), "multi_error": ("multi_error_top_k", 1),
}  # fmt: skip
METRICS = (*_LOSSES, "cross_entropy_lambda", *sorted(RANKED), *BY_QUERY)
_MAIN = {
    **{alias: main for main, aliases in _ALIASES.items() for alias in (main, *aliases)},
    **{name: name for name in METRICS},
}
_OF_CLASSES = ("multi_logloss", "multi_error", "auc_mu")


def metrics_of(
    wanted: Any,
    objective: str,
    params: Mapping[str, Any],
    first: Sequence[str] = (),
    *,
    queries: bool = False,
) -> tuple[Metric, ...]:
    """Return the metrics to evaluate.

    Parameters
    ----------
    wanted : str, sequence of str, or None
        LightGBM's ``metric`` parameter; by default the objective's own.
    objective : str
        LightGBM's objective.
    params : mapping
        LightGBM's parameters, for those that metrics have.
    first : sequence of str
        Metrics to evaluate before those, as ``eval_metric`` takes them: "logloss" and "error" suit any classes.
    queries : bool
        Whether rows belong to queries.

    Raises
    ------
    UsageError
        On a metric that LightGBM does not have, or that does not suit the objective.
    """
    several = (
        main_objective(objective) in ("multiclass", "multiclassova") or int(params.get("num_class", 1)) > 1
    )
    found = []
    classes = several or main_objective(objective) in (
        "binary",
        "cross_entropy",
        "cross_entropy_lambda",
        "custom",
    )
    asked = [_of_classes(name, several) if classes else name for name in first]
    for spelled in [*asked, *_spelled(wanted, objective)]:
        name = _MAIN.get(str(spelled).strip())
        if name == "none":
            continue
        if name in BY_QUERY:
            if not queries:
                raise UsageError(f"metric {spelled!r} needs query groups: name their column in the source")
            gains = gains_of(params) if name == "ndcg" else ()
            found += [Metric(name, place, main_objective(objective), gains) for place in places_of(params)]
            continue
        if name is None:
            raise UsageError(f"LightGBM has no metric {spelled!r}; {nearest(str(spelled), METRICS)}")
        if (name in _OF_CLASSES) != several:
            raise UsageError(
                f"metric {spelled!r} does not suit objective {objective!r}, as LightGBM says too"
            )
        if name == "auc_mu" and params.get("auc_mu_weights"):
            raise UsageError("auc_mu_weights are not taken into account here; leave them out")
        own, default = _SHAPES.get(name, ("", 0.0))
        found.append(Metric(name, float(params.get(own, default)), main_objective(objective)))
    return tuple(dict.fromkeys(found))


def wants_queries(wanted: Any, objective: str, first: Sequence[str] = ()) -> set[str]:
    """Return those metrics of queries that `metrics_of` would evaluate: of "ndcg" and "map"."""
    names = {_MAIN.get(str(spelled).strip(), "") for spelled in (*first, *_spelled(wanted, objective))}
    return names & set(BY_QUERY)


def _spelled(wanted: Any, objective: str) -> list[Any]:
    if wanted is None or len(wanted) == 0:
        wanted = main_objective(objective)
    return wanted.split(",") if isinstance(wanted, str) else list(wanted)


def places_of(params: Mapping[str, Any]) -> tuple[int, ...]:
    """Return ``eval_at``, the numbers of first rows that NDCG and MAP count, rising.

    Raises
    ------
    UsageError
        When they are no whole numbers of at least 1.
    """
    given = params.get("eval_at", PLACES)
    listed = (
        given.split(",") if isinstance(given, str) else [given] if isinstance(given, int) else list(given)
    )
    try:
        places = sorted({int(str(place)) for place in listed})
    except ValueError:
        places = []
    if not places or places[0] < 1:
        raise UsageError(f"eval_at must be whole numbers of at least 1, found {given!r}")
    return tuple(places)


def _of_classes(name: str, several: bool) -> str:
    """Return a metric of two or of more classes, whichever there are."""
    kind = {"logloss": "logloss", "error": "error"}.get(name.removeprefix("binary_").removeprefix("multi_"))
    return name if kind is None else f"{'multi' if several else 'binary'}_{kind}"


def partial_sums(metric: Metric, label: Array, prediction: Array, weight: Array | None) -> Array:
    """Return what one worker contributes to an additive metric.

    Parameters
    ----------
    metric : Metric
        None of `RANKED`.
    label : float64 array of shape (n_rows,)
    prediction : float64 array of shape (n_rows,) or (n_rows, n_classes)
        As LightGBM outputs it, after the link.
    weight : float64 array of shape (n_rows,) or None

    Returns
    -------
    float64 array of shape (4,)
        Sums of weighted losses, of weights, and of weighted labels and their squares.
    """
    w = np.ones(len(label)) if weight is None else weight
    if metric.name == "cross_entropy_lambda":  # its weights are in the loss
        loss = _cross_entropy(label, -np.expm1(-w * prediction), 0.0)
        return np.array([loss.sum(), len(label), 0.0, 0.0])
    loss = _LOSSES[metric.name](label, prediction, metric.shape)
    return np.array([np.dot(w, loss), w.sum(), np.dot(w, label), np.dot(w, label * label)])


def combined(metric: Metric, parts: list[Array]) -> float:
    """Return an additive metric's value from the workers' contributions in worker order."""
    loss, weight, *moments = np.sum(parts, axis=0)
    if not weight > 0:
        return float("nan")
    if metric.name == "r2":
        labels, squares = moments
        return float(1 - loss / (squares - labels * labels / weight))
    if metric.name == "gamma_deviance":
        return float(loss)  # LightGBM's is a sum
    return float(np.sqrt(loss / weight)) if metric.name == "rmse" else float(loss / weight)
