"""Leaf values renewed after growth, from fine sums of gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    l2 = np.ascontiguousarray(tree.splits["l2"])
    weights, values = np.empty(total), np.empty(total)
    answers(tree.children, l2, every, counts, tree.bounds, np.array(units), settings.rules, weights, values)
    tree.node_count, tree.node_weight, tree.node_value = counts[:n], weights[:n], values[:n]
    tree.leaf_weight, tree.leaf_value = weights[n:], values[n:].copy()
    if not n:
        tree.leaf_value[:] = 0.0  # a tree that could not be split answers nothing


def alone(gradient: int, hessian: int, units: tuple[float, float], settings: Settings) -> float:
    """Return what the root of a tree would answer."""
    sums = np.array([[gradient, hessian]])
    weights, values, free = np.empty(1), np.empty(1), np.array([[-np.inf, np.inf]])
    none = np.empty((0, 2), np.int64), np.empty(0)
    answers(*none, sums, np.ones(1, np.int64), free, np.array(units), settings.rules, weights, values)
    return float(values[0])
