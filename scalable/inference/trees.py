"""All trees of a model as flat arrays, checked so that kernels may follow them without bounds checks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scalable.errors import ModelError
from scalable.inference.lightgbm_text import TextModel

CATEGORICAL, DEFAULT_LEFT = 1, 2
MISSING_NONE, MISSING_ZERO, MISSING_NAN = 0, 1, 2


@dataclass(slots=True)
class Trees:
    """A forest in arrays; the nodes of tree ``t`` are ``node_start[t]:node_start[t + 1]``.

    Attributes
    ----------
    node_start, leaf_start : int64 (n_trees + 1,)
    feature, left, right : int32 (n_nodes,)
        Children are local to the tree: an internal node when >= 0, else the leaf ``~child``.
    threshold : float64 (n_nodes,)
    decision : uint8 (n_nodes,)
        As in the text: bit 0 categorical, bit 1 default left, bits 2-3 missing type.
    level : int32 (n_nodes,)
        Distance from the root.
    cat_start, cat_stop : int64 (n_nodes,)
        Range of the node's category bitset in `cat_words`; empty for numeric nodes.
    cat_words : uint32
    leaf_value : float64 (n_leaves,)
    linear_start : int64 (n_leaves + 1,) or None
        Range of each leaf's linear model in `linear_feature` / `linear_coeff`; None without linear trees.
    leaf_const : float64 (n_leaves,)
    leaf_linear : bool (n_leaves,)
        Whether the leaf belongs to a linear tree.
    """

    per_iteration: int
    n_features: int
    node_start: np.ndarray
    leaf_start: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    decision: np.ndarray
    left: np.ndarray
    right: np.ndarray
    level: np.ndarray
    cat_start: np.ndarray
    cat_stop: np.ndarray
    cat_words: np.ndarray
    leaf_value: np.ndarray
    linear_start: np.ndarray | None = None
    linear_feature: np.ndarray | None = None
    linear_coeff: np.ndarray | None = None
    leaf_const: np.ndarray | None = None
    leaf_linear: np.ndarray | None = None

    @property
    def n_trees(self) -> int:
        """Number of trees over all iterations and outputs."""
        return len(self.node_start) - 1

    @property
    def n_iterations(self) -> int:
        """Number of boosting iterations."""
        return self.n_trees // self.per_iteration


def _cat(parts: list[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate(parts).astype(dtype) if parts else np.empty(0, dtype)


def _levels(
    node_start: np.ndarray, leaf_start: np.ndarray, left: np.ndarray, right: np.ndarray
) -> np.ndarray:
    """Return each node's depth after proving that every tree is a tree (each node and leaf reached once)."""
    nodes = np.diff(node_start)
    tree = np.repeat(np.arange(len(nodes)), nodes)
    level = np.full(len(left), -1, np.int32)
    leaf_seen = np.zeros(int(leaf_start[-1]), bool)
    leaf_seen[leaf_start[:-1][nodes == 0]] = True  # a single-leaf tree has no node that names its leaf
    frontier = node_start[:-1][nodes > 0]
    depth = 0
    while frontier.size:
        if (level[frontier] >= 0).any() or np.unique(frontier).size != frontier.size:
            raise ModelError("LightGBM model text: the children of a tree form a cycle; save the model again")
        level[frontier] = depth
        child = np.concatenate([left[frontier], right[frontier]]).astype(np.int64)
        owner = np.concatenate([tree[frontier], tree[frontier]])
        inner = child >= 0
        if (child[inner] >= nodes[owner[inner]]).any() or (~child[~inner] > nodes[owner[~inner]]).any():
            raise ModelError("LightGBM model text: a child lies outside its tree; save the model again")
        leaves = leaf_start[owner[~inner]] + ~child[~inner]
        if leaf_seen[leaves].any() or np.unique(leaves).size != leaves.size:
            raise ModelError("LightGBM model text: a leaf has two parents; save the model again")
        leaf_seen[leaves] = True
        frontier = node_start[owner[inner]] + child[inner]
        depth += 1
    if (level < 0).any() or not leaf_seen.all():
        raise ModelError("LightGBM model text: a node is not reachable from its root; save the model again")
    return level


def flatten(model: TextModel) -> Trees:
    """Concatenate and check the trees of a parsed model.

    Raises
    ------
    ModelError
        The children do not form trees.
    """
    trees = model.trees
    node_start = np.cumsum([0] + [t.num_leaves - 1 for t in trees])
    leaf_start = np.cumsum([0] + [t.num_leaves for t in trees])
    left, right = _cat([t.left for t in trees], np.int32), _cat([t.right for t in trees], np.int32)
    decision = _cat([t.decision for t in trees], np.uint8)
    threshold = _cat([t.threshold for t in trees], np.float64)
    cat_start, cat_stop = np.zeros(len(left), np.int64), np.zeros(len(left), np.int64)
    word0 = 0
    for i, t in enumerate(trees):
        if t.cat_threshold.size or len(t.cat_boundaries) > 1:
            here = slice(node_start[i], node_start[i + 1])
            nodes = np.flatnonzero(decision[here] & CATEGORICAL)
            which = t.threshold[nodes].astype(np.int64)
            cat_start[here][nodes] = word0 + t.cat_boundaries[which]
            cat_stop[here][nodes] = word0 + t.cat_boundaries[which + 1]
            word0 += len(t.cat_threshold)
    flat = Trees(
        model.trees_per_iteration, model.n_features, node_start, leaf_start,
        _cat([t.feature for t in trees], np.int32), threshold, decision, left, right,
        _levels(node_start, leaf_start, left, right), cat_start, cat_stop,
        _cat([t.cat_threshold for t in trees], np.uint32), _cat([t.leaf_value for t in trees], np.float64),
    )  # fmt: skip
    if any(t.leaf_const is not None for t in trees):
        _flatten_linear(model, flat)
    return flat


def _flatten_linear(model: TextModel, flat: Trees) -> None:
    counts, features, coefficients, constants, linear = [], [], [], [], []
    for t in model.trees:
        linear.append(np.full(t.num_leaves, t.leaf_const is not None))
        constants.append(t.leaf_value if t.leaf_const is None else t.leaf_const)
        for leaf in range(t.num_leaves):
            names = t.leaf_features[leaf] if t.leaf_features is not None else np.empty(0, np.int32)
            counts.append(len(names))
            features.append(names)
            coefficients.append(t.leaf_coeff[leaf] if t.leaf_coeff is not None else np.empty(0))
    flat.linear_start = np.cumsum([0, *counts])
    flat.linear_feature = _cat(features, np.int32)
    flat.linear_coeff = _cat(coefficients, np.float64)
    flat.leaf_const = np.concatenate(constants)
    flat.leaf_linear = np.concatenate(linear)


def select(trees: Trees, start: int, stop: int) -> Trees:
    """Return the trees of iterations ``start <= i < stop`` (views where possible)."""
    first, last = start * trees.per_iteration, stop * trees.per_iteration
    n0, n1 = trees.node_start[first], trees.node_start[last]
    l0, l1 = trees.leaf_start[first], trees.leaf_start[last]
    nodes, leaves = slice(n0, n1), slice(l0, l1)
    part = Trees(
        trees.per_iteration, trees.n_features,
        trees.node_start[first : last + 1] - n0, trees.leaf_start[first : last + 1] - l0,
        trees.feature[nodes], trees.threshold[nodes], trees.decision[nodes], trees.left[nodes],
        trees.right[nodes], trees.level[nodes], trees.cat_start[nodes], trees.cat_stop[nodes],
        trees.cat_words, trees.leaf_value[leaves],
    )  # fmt: skip
    if trees.linear_start is not None:
        assert trees.leaf_const is not None
        assert trees.leaf_linear is not None
        part.linear_start = trees.linear_start[l0 : l1 + 1]
        part.linear_feature, part.linear_coeff = trees.linear_feature, trees.linear_coeff
        part.leaf_const, part.leaf_linear = trees.leaf_const[leaves], trees.leaf_linear[leaves]
    return part
