"""All trees of a model as flat arrays, checked so that kernels may follow them without bounds checks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scalable.errors import ModelError
from scalable.inference.forest.formats.lightgbm_text import TextModel, damaged, integer
from scalable.inference.forest.formats.tree_numbers import all_numbers, numbers

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


def levels(node_start: np.ndarray, leaf_start: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
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
    """Read, check and concatenate the trees of a model.

    Raises
    ------
    ModelError
        A number is damaged, or the children do not form trees.
    """
    texts = model.trees
    nodes = [leaves - 1 for leaves in model.leaves]
    node_start, leaf_start = np.cumsum([0, *nodes]), np.cumsum([0, *model.leaves])
    leaf_value = all_numbers(texts, "leaf_value", model.leaves, np.float64)
    feature = all_numbers(texts, "split_feature", nodes, np.int32)
    threshold = all_numbers(texts, "threshold", nodes, np.float64)
    decision = all_numbers(texts, "decision_type", nodes, np.uint8)
    left = all_numbers(texts, "left_child", nodes, np.int32)
    right = all_numbers(texts, "right_child", nodes, np.int32)
    if np.isnan(threshold).any():  # leaves may be NaN: degenerate forests of LightGBM's are
        raise damaged(_tree_of(np.isnan(threshold), node_start), "'threshold' has a NaN")
    outside = (feature < 0) | (feature >= model.n_features)
    if outside.any():
        tree = _tree_of(outside, node_start)
        raise damaged(tree, f"'split_feature' names a feature outside [0, {model.n_features})")
    if (decision >> 2 > MISSING_NAN).any():
        raise damaged(
            _tree_of(decision >> 2 > MISSING_NAN, node_start), "'decision_type' has an unknown missing type"
        )
    cat_start, cat_stop = np.zeros(len(left), np.int64), np.zeros(len(left), np.int64)
    words = _categories(texts, node_start, threshold, decision, cat_start, cat_stop)
    flat = Trees(
        model.trees_per_iteration, model.n_features, node_start, leaf_start, feature, threshold, decision, left,
        right, levels(node_start, leaf_start, left, right), cat_start, cat_stop, words, leaf_value,
    )  # fmt: skip
    linear = [tree.get("is_linear", "0").strip() == "1" for tree in texts]
    if any(linear):
        _linear(model, linear, flat)
    return flat


def _tree_of(nodes: np.ndarray, node_start: np.ndarray) -> str:
    """Return the name of the tree of the first marked node."""
    return f"tree {int(np.searchsorted(node_start, np.argmax(nodes), 'right')) - 1}"


def _categories(
    texts: list[dict[str, str]], node_start: np.ndarray, threshold: np.ndarray, decision: np.ndarray,
    cat_start: np.ndarray, cat_stop: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Fill in the range of each categorical node's bitset; return the words of all bitsets."""
    words: list[np.ndarray] = []
    word0 = 0
    categorical = (decision & CATEGORICAL) > 0
    sets = [tree.get("num_cat", "0") != "0" for tree in texts]
    owners = np.searchsorted(node_start, np.flatnonzero(categorical), "right") - 1
    for i in np.union1d(np.flatnonzero(sets), owners):
        tree, where = texts[i], f"tree {i}"
        here = slice(node_start[i], node_start[i + 1])
        n_cat = integer(tree, "num_cat", where, 0, int(node_start[i + 1] - node_start[i])) if sets[i] else 0
        bounds = (
            numbers(tree, "cat_boundaries", where, n_cat + 1, np.int64) if n_cat else np.zeros(1, np.int64)
        )
        limit = len(tree.get("cat_threshold", ""))
        if bounds[0] != 0 or (np.diff(bounds) < 0).any() or bounds[-1] > limit:
            raise damaged(where, "'cat_boundaries' does not ascend from 0 within 'cat_threshold'")
        nodes = np.flatnonzero(categorical[here])
        which = threshold[here][nodes]
        if ((which < 0) | (which >= n_cat) | (which != np.floor(which))).any():
            raise damaged(where, "a categorical split names a category set that the tree does not have")
        if n_cat:
            words.append(numbers(tree, "cat_threshold", where, int(bounds[-1]), np.uint32))
            cat_start[here][nodes] = word0 + bounds[which.astype(np.int64)]
            cat_stop[here][nodes] = word0 + bounds[which.astype(np.int64) + 1]
            word0 += int(bounds[-1])
    return np.concatenate([np.empty(0, np.uint32), *words])


def _linear(model: TextModel, linear: list[bool], flat: Trees) -> None:
    """Fill in the linear models of the leaves; leaves of ordinary trees get none."""
    counts = [np.empty(0, np.int64)]
    features, coefficients, constants = [np.empty(0, np.int32)], [np.empty(0)], []
    for i, (tree, leaves) in enumerate(zip(model.trees, model.leaves, strict=True)):
        if not linear[i]:
            counts.append(np.zeros(leaves, np.int64))
            constants.append(flat.leaf_value[flat.leaf_start[i] : flat.leaf_start[i + 1]])
            continue
        where = f"tree {i}"
        constants.append(numbers(tree, "leaf_const", where, leaves, np.float64))
        counts.append(numbers(tree, "num_features", where, leaves, np.int64))
        if (counts[-1] < 0).any():
            raise damaged(where, "'num_features' has a negative count")
        total = int(counts[-1].sum())
        if not 0 <= total <= len(tree.get("leaf_features", "")):
            raise damaged(where, f"'leaf_features' should have {total} numbers")
        features.append(numbers(tree, "leaf_features", where, total, np.int32))
        if total and not (features[-1].min() >= 0 and features[-1].max() < model.n_features):
            raise damaged(where, f"'leaf_features' names a feature outside [0, {model.n_features})")
        coefficients.append(numbers(tree, "leaf_coeff", where, total, np.float64))
    flat.linear_start = np.concatenate([[0], np.cumsum(np.concatenate(counts))])
    flat.linear_feature, flat.linear_coeff = np.concatenate(features), np.concatenate(coefficients)
    flat.leaf_const = np.concatenate(constants)
    flat.leaf_linear = np.repeat(np.array(linear), model.leaves)


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
