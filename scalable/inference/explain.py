"""SHAP values of forests: what each feature of a row adds to its raw score."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from scalable.errors import ModelError
from scalable.inference.forest.places import Columns
from scalable.inference.forest.trees import Trees
from scalable.kernels.forest.shap import shap_rows
from scalable.kernels.forest.shap_row import FORK, fill_forks, shap_few
from scalable.kernels.forest.tables import WalkTrees
from scalable.kernels.vectors import LANES

FEW_ROWS = 12  # up to so many go one by one: a block of 16 takes as long as these


class Explainer:
    """The ways to all leaves of a forest, and how many training rows went them.

    Parameters
    ----------
    trees : Trees
    nodes : WalkTrees
        The same, as kernels follow them.

    Raises
    ------
    ModelError
        The model does not say how many rows came by, or its leaves hold linear models.
    """

    def __init__(self, trees: Trees, nodes: WalkTrees) -> None:
        if trees.linear is not None:
            raise ModelError(
                "leaves that hold linear models have no SHAP values here, nor have they in LightGBM"
            )
        if trees.node_cover is None or trees.leaf_cover is None or (trees.node_cover <= 0).any():
            raise ModelError("the model does not say how many rows came to each node, which SHAP values need")
        self.trees, self.nodes = trees, nodes
        self.values = np.ascontiguousarray(trees.leaf_value)
        self.expected = _expected(trees)

    @cached_property
    def _forks(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What the kernels take: forks, each tree's number of points, rules."""
        trees = self.trees
        assert trees.node_cover is not None
        most = int(np.diff(self.nodes.node_start).max(initial=1))
        forks, n_points = np.zeros(len(trees.node_cover), FORK), np.zeros(trees.n_trees, np.int64)
        space = np.empty((2, most), np.int64)
        fill_forks(self.nodes, trees.node_cover, trees.leaf_cover, *space, forks, n_points)
        return forks, n_points, _padded(*_quadratures(int(n_points.max(initial=0))))

    def explain(self, columns: Columns, first_row: int, out: np.ndarray) -> None:
        """Write the values of rows (n_rows, n_outputs, n_features + 1); the last one is what is expected of any row."""
        out[:] = 0.0
        out[:, :, -1] = self.expected
        kernel = shap_few if len(out) <= FEW_ROWS else shap_rows
        kernel(columns.places, first_row, self.nodes, self.values, *self._forks, out)


def _padded(points: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return rules as `shap_few` takes them; what fills up a vector weighs nothing."""
    n = len(points)
    rules = np.zeros((n, 3, -(-n // LANES) * LANES))
    rules[:, :2] = 0.5
    for k in range(n):
        t, w = points[k, :k], weights[k, :k]
        rules[k, :, :k] = t, 1 - t, w
    return rules


def _quadratures(most: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points in [0, 1] and weights of Gauss and Legendre's rules of up to `most` points, a row each."""
    points, weights = np.zeros((most + 1, most + 1)), np.zeros((most + 1, most + 1))
    for n in range(1, most + 1):
        x, w = np.polynomial.legendre.leggauss(n)
        points[n, :n], weights[n, :n] = (x + 1) / 2, w / 2
    return points, weights


def _expected(trees: Trees) -> np.ndarray:
    """Return the mean raw score of the training rows, float64 (n_outputs,)."""
    assert trees.leaf_cover is not None
    expected = trees.sum_start.copy()
    if not trees.n_trees:
        return expected
    first = trees.leaf_start[:-1]
    cover = trees.leaf_cover.copy()
    cover[first[np.diff(trees.leaf_start) == 1]] = 1.0  # of trees that are a leaf, libraries count none
    weighted = np.add.reduceat(trees.leaf_value * cover[:, None], first)
    means = weighted / np.add.reduceat(cover, first)[:, None]
    steps = trees.n_outputs // trees.width
    for k in range(steps):
        expected[k * trees.width : (k + 1) * trees.width] += means[k::steps].sum(axis=0)
    return expected
