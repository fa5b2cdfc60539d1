"""SHAP values of forests: what each feature of a row adds to its raw score."""

from __future__ import annotations

import numpy as np

from scalable.errors import ModelError
from scalable.inference.forest.places import Columns
from scalable.inference.forest.trees import Trees
from scalable.kernels.forest.shap import EXPLAINED, FEW, Paths, fill_paths, shap_rows
from scalable.kernels.forest.tables import WalkTrees


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
        covers = trees.node_cover, trees.leaf_cover
        sizes = np.diff(trees.node_start)
        parent = np.zeros(2 * int(sizes.max(initial=0)) + 1, np.int32)
        none = np.empty(0, np.int64)
        few = Paths(
            none, np.empty(0, np.int32), np.empty(0), none, np.empty(0, np.int32), np.empty(0, np.uint8)
        )
        elements, turns = fill_paths(nodes, *covers, parent, few, False)
        self.paths = Paths(
            np.zeros(len(trees.leaf_value) + 1, np.int64), np.zeros(elements, np.int32), np.zeros(elements),
            np.zeros(elements + 1, np.int64), np.zeros(turns, np.int32), np.zeros(turns, np.uint8),
        )  # fmt: skip
        fill_paths(nodes, *covers, parent, self.paths, True)
        deepest = int(np.diff(self.paths.begin).max(initial=0))
        self.most = int(sizes.max(initial=0)), deepest
        self.rule = _quadratures((deepest + 1) // 2)
        self.values = np.ascontiguousarray(trees.leaf_value)
        self.expected = _expected(trees)

    def explain(self, columns: Columns, first_row: int, out: np.ndarray) -> None:
        """Write the values of rows (n_rows, n_outputs, n_features + 1); the last one is what is expected of any row."""
        out[:] = 0.0
        out[:, :, -1] = self.expected
        lanes = EXPLAINED if len(out) > len(FEW) else FEW
        shap_rows(
            columns.places, first_row, self.nodes, self.values, self.paths, self.rule, self.most, lanes, out
        )


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
