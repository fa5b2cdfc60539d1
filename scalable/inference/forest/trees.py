"""A forest as arrays, whatever library grew it: what its parser makes, what the programs are made from."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from scalable.errors import ModelError
from scalable.inference.forest.links import Link
from scalable.kernels.forest.rank import ZERO
from scalable.kernels.forest.tables import NODE

MAX_COMPILED_LEAVES = 32_768  # of a tree: what 16-bit slots and labels of the block kernel can tell apart


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """How the library that grew the trees compares and adds; predictions have its bits.

    Attributes
    ----------
    strict : bool
        Rows go left where ``x < threshold``, else where ``x <= threshold``.
    float32_input : bool
        Values are rounded to float32 before they are compared.
    float32_sum : bool
        Sums over trees are float32, else float64.
    tiny_is_zero : bool
        Magnitudes up to LightGBM's 1e-35 count as zero.
    start : tuple of float
        What the sum of each output starts at, zeros if empty.
    """

    strict: bool = False
    float32_input: bool = False
    float32_sum: bool = False
    tiny_is_zero: bool = False
    start: tuple[float, ...] = ()


@dataclass(slots=True)
class LinearLeaves:
    """Linear models in leaves.

    Attributes
    ----------
    start : int64 (n_leaves + 1,)
        Range of each leaf's terms in `feature` and `coef`.
    feature : int32 (n_terms,)
    coef : float64 (n_terms,)
    constant : float64 (n_leaves,)
    is_linear : bool (n_leaves,)
    """

    start: np.ndarray
    feature: np.ndarray
    coef: np.ndarray
    constant: np.ndarray
    is_linear: np.ndarray


@dataclass(slots=True)
class Trees:
    """Trees in arrays; the nodes of tree ``t`` are ``node_start[t]:node_start[t + 1]``.

    Tree ``t`` adds the values of its leaf to the outputs from ``t * width % n_outputs`` on.

    Attributes
    ----------
    n_features, n_outputs : int
    node_start, leaf_start : int64 (n_trees + 1,)
    feature, left, right : int32 (n_nodes,)
        Children are local to the tree: an internal node when >= 0, else the leaf ``~child``.
    threshold : float64 (n_nodes,)
    rule : uint8 (n_nodes,)
        Bits of ``kernels.forest.tables``: whether a set of categories goes left, where missing values go, and which
        values those are.
    depth : int32 (n_nodes,)
        Distance from the root.
    cat_start, cat_stop : int64 (n_nodes,)
        Range of the node's category bitset in `cat_words`; empty for numeric nodes.
    cat_words : uint32
    leaf_value : float64 (n_leaves, width)
    node_cover, leaf_cover : float64 (n_nodes,), (n_leaves,) or None
        Training rows (or their weight) that came by; explanations need them.
    gain : float64 (n_nodes,) or None
        What the split improved.
    linear : LinearLeaves or None
    per_iteration : int
        Trees of a boosting iteration.
    arithmetic : Arithmetic
    """

    n_features: int
    n_outputs: int
    node_start: np.ndarray
    leaf_start: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    rule: np.ndarray
    left: np.ndarray
    right: np.ndarray
    depth: np.ndarray
    cat_start: np.ndarray
    cat_stop: np.ndarray
    cat_words: np.ndarray
    leaf_value: np.ndarray
    node_cover: np.ndarray | None = None
    leaf_cover: np.ndarray | None = None
    gain: np.ndarray | None = None
    linear: LinearLeaves | None = None
    per_iteration: int = 1
    arithmetic: Arithmetic = Arithmetic()

    @property
    def n_trees(self) -> int:
        """Number of trees over all iterations and outputs."""
        return len(self.node_start) - 1

    @property
    def n_iterations(self) -> int:
        """Number of boosting iterations."""
        return self.n_trees // self.per_iteration

    @property
    def width(self) -> int:
        """Values of a leaf: 1, or as many as there are outputs."""
        return int(self.leaf_value.shape[1])

    @property
    def sum_start(self) -> np.ndarray:
        """What each output's sum starts at, float64 (n_outputs,)."""
        return np.array(self.arithmetic.start or [0.0] * self.n_outputs)

    @property
    def compilable(self) -> bool:
        """Whether the block kernels can run it; giant trees are walked."""
        return bool(np.diff(self.leaf_start).max(initial=0) <= MAX_COMPILED_LEAVES)

    def tree_of_nodes(self) -> np.ndarray:
        """Return the tree of each node."""
        return np.repeat(np.arange(self.n_trees), np.diff(self.node_start))

    def bounds(self) -> np.ndarray:
        """Return float64 bounds that decide as the library does: a double goes left iff it is at most the bound."""
        a, t = self.arithmetic, self.threshold
        if a.float32_input:
            t = _widened(_at_most_float32(t, a.strict))
        elif a.strict:
            t = np.nextafter(t, -np.inf)
        if a.tiny_is_zero:
            t = np.where((t >= 0) & (t <= ZERO), ZERO, t)
            t = np.where((t < 0) & (t >= -ZERO), np.nextafter(-ZERO, -np.inf), t)
        return t


@dataclass(frozen=True, slots=True)
class Labels:
    """How a classifier's scores become labels.

    Attributes
    ----------
    classes : tuple
        In the order of the outputs; of a single output, its probability is the second one's.
    rule : str
        "largest", "largest score": the output whose prediction or raw score is; "half": the second class where the
        prediction exceeds 1/2; "above zero", "from zero": where the raw score does; "threshold": where the prediction
        is at least `threshold`.
    threshold : float
    """

    classes: tuple[Any, ...]
    rule: str
    threshold: float = 0.0


LABEL_RULES = ("largest", "largest score", "half", "above zero", "from zero", "threshold")


def check_labels(labels: Labels, n_outputs: int) -> None:
    """Raise a ValueError unless a file's labels are of a forest of so many outputs, and of one sort."""
    classes = labels.classes
    if labels.rule not in LABEL_RULES or len(classes) not in ((n_outputs,) if n_outputs > 1 else (1, 2)):
        raise ValueError(f"{len(classes)} classes by {labels.rule!r:.40} of {n_outputs} outputs")
    sorts = {str if type(one) is str else bool if type(one) is bool else float for one in classes}
    if len(sorts) != 1 or any(type(one) not in (str, bool, int, float) for one in classes):
        raise ValueError(f"classes {classes!r:.60}")


@dataclass(slots=True)
class Forest:
    """A parsed model.

    Attributes
    ----------
    trees : Trees
    link : Link
        From raw scores to predictions.
    feature_names : list of str
    library : str
        Whose model it is.
    objective : str or None
        As the library writes it.
    average : bool
        Sums are divided by the number of iterations.
    best_iteration : int
        Iterations used unless others are asked for; 0 for all.
    categories : list of list
        Levels of the categorical columns of the frame it was trained on, in order.
    may_stop : bool
        The library lets predictions of this objective stop early: they need an order, not a value.
    labels : Labels or None
        Of a classifier.
    category_columns : list of int or None
        The features that `categories` speaks of, in its order; None where the model does not tell.
    """

    trees: Trees
    link: Link
    feature_names: list[str]
    library: str
    objective: str | None = None
    average: bool = False
    best_iteration: int = 0
    categories: list[list[object]] | None = None
    may_stop: bool = False
    labels: Labels | None = None
    category_columns: list[int] | None = None


def _at_most_float32(t: np.ndarray, strict: bool) -> np.ndarray:
    """Return the largest float32 that is at most (or `strict`: below) each double."""
    with np.errstate(over="ignore", under="ignore"):
        narrow = t.astype(np.float32)
        above = narrow >= t if strict else narrow > t
        return np.where(above, np.nextafter(narrow, np.float32(-np.inf)), narrow)


def _widened(t: np.ndarray) -> np.ndarray:
    """Return the largest double that rounds to at most each float32."""
    beyond = 2.0**128  # what float32 calls infinity begins half a step below
    with np.errstate(over="ignore", under="ignore"):
        above = np.nextafter(t, np.float32(np.inf)).astype(np.float64)
        middle = (np.clip(t.astype(np.float64), -beyond, beyond) + np.clip(above, -beyond, beyond)) / 2
        rounds_down = middle.astype(np.float32) <= t
    return np.where(t == np.inf, np.inf, np.where(rounds_down, middle, np.nextafter(middle, -np.inf)))


def depths(
    node_start: np.ndarray, leaf_start: np.ndarray, left: np.ndarray, right: np.ndarray, what: str
) -> np.ndarray:
    """Return each node's depth after proving that every tree is a tree (each node and leaf reached once).

    Parameters
    ----------
    node_start, leaf_start, left, right
        See `Trees`.
    what : str
        What is read, for messages.

    Raises
    ------
    ModelError
        Children form a cycle, lie outside their tree, or have several parents or none.
    """
    nodes = np.diff(node_start)
    tree = np.repeat(np.arange(len(nodes)), nodes)
    depth = np.full(len(left), -1, np.int32)
    leaf_seen = np.zeros(int(leaf_start[-1]), bool)
    leaf_seen[leaf_start[:-1][nodes == 0]] = True  # a single-leaf tree has no node that names its leaf
    frontier = node_start[:-1][nodes > 0]
    here = 0
    while frontier.size:
        if (depth[frontier] >= 0).any() or np.unique(frontier).size != frontier.size:
            raise ModelError(f"{what}: the children of a tree form a cycle; save the model again")
        depth[frontier] = here
        child = np.concatenate([left[frontier], right[frontier]]).astype(np.int64)
        owner = np.concatenate([tree[frontier], tree[frontier]])
        inner = child >= 0
        if (child[inner] >= nodes[owner[inner]]).any() or (~child[~inner] > nodes[owner[~inner]]).any():
            raise ModelError(f"{what}: a child lies outside its tree; save the model again")
        leaves = leaf_start[owner[~inner]] + ~child[~inner]
        if leaf_seen[leaves].any() or np.unique(leaves).size != leaves.size:
            raise ModelError(f"{what}: a leaf has two parents; save the model again")
        leaf_seen[leaves] = True
        frontier = node_start[owner[inner]] + child[inner]
        here += 1
    if (depth < 0).any() or not leaf_seen.all():
        raise ModelError(f"{what}: a node is not reachable from its root; save the model again")
    return depth


_OF_NODES = (
    "feature", "threshold", "rule", "left", "right", "depth", "cat_start", "cat_stop", "node_cover", "gain",
)  # fmt: skip


def select(trees: Trees, start: int, stop: int) -> Trees:
    """Return the trees of iterations ``start <= i < stop`` (views where possible)."""
    first, last = start * trees.per_iteration, stop * trees.per_iteration
    nodes = slice(trees.node_start[first], trees.node_start[last])
    leaves = slice(trees.leaf_start[first], trees.leaf_start[last])
    parts: dict[str, Any] = {name: getattr(trees, name) for name in _OF_NODES}
    parts = {name: None if part is None else part[nodes] for name, part in parts.items()}
    linear = trees.linear
    if linear is not None:
        linear = LinearLeaves(
            linear.start[leaves.start : leaves.stop + 1], linear.feature, linear.coef, linear.constant[leaves],
            linear.is_linear[leaves],
        )  # fmt: skip
    return replace(
        trees,
        node_start=trees.node_start[first : last + 1] - nodes.start,
        leaf_start=trees.leaf_start[first : last + 1] - leaves.start,
        leaf_value=trees.leaf_value[leaves],
        leaf_cover=None if trees.leaf_cover is None else trees.leaf_cover[leaves],
        linear=linear,
        **parts,
    )


def walk_nodes(trees: Trees) -> np.ndarray:
    """Return the nodes as the walking kernel reads them, NODE (n_nodes,)."""
    nodes = np.zeros(len(trees.feature), NODE)
    nodes["bound"] = trees.bounds()
    for name in ("feature", "left", "right", "rule"):
        nodes[name] = getattr(trees, name)
    return nodes


def arrays_of(item: object) -> dict[str, np.ndarray]:
    """Return the arrays among the fields of a dataclass, by name."""
    found = {field.name: getattr(item, field.name) for field in fields(item)}  # type: ignore[arg-type]
    return {name: value for name, value in found.items() if isinstance(value, np.ndarray)}
