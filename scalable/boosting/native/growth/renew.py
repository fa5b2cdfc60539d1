"""Leaf values renewed after growth: from fine sums of gradients, or as percentiles of residuals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.boosting.native.growth.leaf import Leaf
from scalable.boosting.native.growth.tree import Tree
from scalable.boosting.native.settings import Settings
from scalable.kernels.histogram.gain import answers

Array = NDArray[Any]


def answer(tree: Tree, sums: NDArray[np.int64], units: tuple[float, float], settings: Settings) -> None:
    """Give a tree's nodes and leaves their values, from the exact sums of the leaves' gradients.

    Parameters
    ----------
    tree : Tree
        As it was grown.
    sums : int64 array (n_leaves, 2)
        Gradients and hessians.
    units : tuple of float
        What one unit of either is worth.
    settings : Settings
        Regularisation.
    """
    n, total = len(tree.children), len(tree.children) + tree.n_leaves
    every = np.concatenate([np.zeros((n, 2), np.int64), sums])
    counts = np.concatenate([np.zeros(n, np.int64), tree.leaf_count])
    l2 = np.array([split.l2 for split in tree.splits])
    weights, values = np.empty(total), np.empty(total)
    answers(tree.children, l2, every, counts, tree.bounds, np.array(units), settings.rules, weights, values)
    tree.node_count, tree.node_weight, tree.node_value = counts[:n], weights[:n], values[:n]
    tree.leaf_weight, tree.leaf_value = weights[n:], values[n:].copy()
    if not n:
        tree.leaf_value[:] = 0.0  # a tree that could not be split answers nothing


def alone(leaf: Leaf, units: tuple[float, float], settings: Settings) -> float:
    """Return what the root of a tree would answer."""
    sums = np.array([[leaf.gradient, leaf.hessian]])
    weights, values, free = np.empty(1), np.empty(1), np.array([[-np.inf, np.inf]])
    none = np.empty((0, 2), np.int64), np.empty(0)
    answers(*none, sums, np.ones(1, np.int64), free, np.array(units), settings.rules, weights, values)
    return float(values[0])


def percentile(values: Array, weights: Array | None, share: float) -> float:
    """Return a percentile as LightGBM interpolates it; the order of the values does not matter.

    Parameters
    ----------
    values : float64 array (n,)
    weights : float array (n,) or None
    share : float
        Between 0 and 1.
    """
    n = len(values)
    if n <= 1:
        return float(values[0]) if n else 0.0
    if weights is not None:
        return _weighted(values, weights, share)
    place = (1.0 - share) * n  # counted from the largest down
    whole = int(place)
    if whole < 1:
        return float(values.max())
    if whole >= n:
        return float(values.min())
    above, below = np.partition(values, (n - whole - 1, n - whole))[[n - whole, n - whole - 1]]
    return float(above - (above - below) * (place - whole))


def _weighted(values: Array, weights: Array, share: float) -> float:
    order = np.lexsort((weights, values))  # of equal values by weight, so that sums come in one order
    values, summed = values[order], np.cumsum(weights[order], dtype=np.float64)
    wanted = summed[-1] * share
    at = min(int(np.searchsorted(summed, wanted, side="right")), len(values) - 1)
    if at in (0, len(values) - 1):
        return float(values[at])
    step = summed[at + 1] - summed[at]
    if step < 1.0:
        return float(values[at])
    return float((wanted - summed[at]) / step * (values[at] - values[at - 1]) + values[at - 1])


def renew_percentiles(
    tree: Tree, leaves: Sequence[Array], residuals: Sequence[Array], weights: Sequence[Array], share: float
) -> None:
    """Set every leaf to a percentile of its rows' residuals.

    Parameters
    ----------
    tree : Tree
        Whose leaves are set.
    leaves : sequence of uint32 array
        Of each part, the leaf of every row; rows of no leaf have larger numbers.
    residuals, weights : sequence of arrays
        Label minus score, and weights (of no entries without), of each part's rows.
    share : float
        Which percentile.
    """
    leaf, residual = np.concatenate(leaves), np.concatenate(residuals)
    weight = np.concatenate(weights)
    order = np.argsort(leaf, kind="stable")
    edges = np.searchsorted(leaf[order], np.arange(tree.n_leaves + 1))
    for k in range(tree.n_leaves):
        own = order[edges[k] : edges[k + 1]]
        tree.leaf_value[k] = percentile(residual[own], weight[own] if len(weight) else None, share)
