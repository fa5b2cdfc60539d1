"""NDCG and MAP as sums over queries, which workers add up: no query is ever in two places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.evaluate.queries import default_gains, query_values

Array = NDArray[np.float64]
BY_QUERY = ("ndcg", "map")


def gains_of(params: Mapping[str, Any]) -> tuple[float, ...]:
    """Return the gain of each label: ``label_gain``, or two to its power less one."""
    given = params.get("label_gain")
    if isinstance(given, str):
        given = [part for part in given.split(",") if part]
    if given is None or len(given) == 0:
        return default_gains()
    return tuple(float(gain) for gain in given)


def query_weights(sizes: NDArray[np.integer[Any]], weight: Array | None) -> Array:
    """Return what each query weighs: the mean of its rows' weights, as in LightGBM; 1 without weights."""
    if weight is None:
        return np.ones(len(sizes))
    starts = np.cumsum(sizes) - sizes
    return np.asarray(np.add.reduceat(weight, starts) / sizes if len(sizes) else np.empty(0))


def query_sums(
    wanted: Sequence[tuple[str, int]],
    gains: Sequence[float],
    sizes: NDArray[np.integer[Any]],
    label: Array,
    score: Array,
    weight: Array | None,
) -> list[Array]:
    """Return what the queries of one worker contribute to each metric: sums of weighted values, and of weights.

    Parameters
    ----------
    wanted : sequence of (name, place)
        Metrics of `BY_QUERY`.
    gains : sequence of float
        Of each label.
    sizes, label, score, weight
        As for `query_values` and `query_weights`.

    Returns
    -------
    list of float64 array (2,)
        One a metric.
    """
    places = sorted({place for _, place in wanted})
    needed = gains if any(name == "ndcg" for name, _ in wanted) else ()
    ndcg, _, precision = query_values(sizes, label, score, places, needed)
    values = {"ndcg": ndcg, "map": precision}
    w, found = query_weights(sizes, weight), []
    for name, place in wanted:
        value = values[name][:, places.index(place)]
        # LightGBM counts a query in which nothing has a gain as 1, whatever it weighs.
        found.append(np.array([np.where(np.isnan(value), 1.0, w * value).sum(), w.sum()]))
    return found
