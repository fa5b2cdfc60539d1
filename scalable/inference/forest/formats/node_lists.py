"""Trees as most libraries keep them, inner nodes and leaves in one list, to neutral trees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scalable.errors import ModelError
from scalable.inference.forest.trees import Arithmetic, Trees, depths
from scalable.kernels.forest.tables import CATEGORICAL, DEFAULT_LEFT, MISSING_IS_NAN

MOST_FEATURES, MOST_OUTPUTS = 2**20, 2**16  # a file may say any number, and both become arrays


@dataclass(slots=True)
class NodeList:
    """One tree, its root first.

    Attributes
    ----------
    left, right : integers (n,)
        Places of the children in the list, negative for leaves.
    feature, threshold, default_left, cover, gain : (n,)
        Of leaves, only the cover is looked at.
    value : float64 (n, width)
        Of inner nodes, not looked at.
    sets : dict of int to integers
        For nodes that split by categories: those that go left; all others go right.
    """

    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    default_left: np.ndarray
    value: np.ndarray
    cover: np.ndarray
    gain: np.ndarray
    sets: dict[int, np.ndarray]


def counted(n: object, most: int, of: str, what: str) -> int:
    """Return a number of features or outputs that a file tells.

    Raises
    ------
    ModelError
        It is below 1 or above `most`.
    """
    found = int(n)  # type: ignore[call-overload]
    if not 1 <= found <= most:
        raise ModelError(f"{what}: {found:,} {of}; 1 to {most:,} are read here")
    return int(found)


def trees_of(
    lists: Sequence[NodeList], n_features: int, n_outputs: int, per_iteration: int, arithmetic: Arithmetic, what: str
) -> Trees:  # fmt: skip
    """Return the trees, in the order of the lists.

    Parameters
    ----------
    lists : sequence of NodeList
    n_features, n_outputs, per_iteration, arithmetic
        See `Trees`.
    what : str
        What was read, for messages.

    Raises
    ------
    ModelError
        The nodes do not form trees, or split what does not exist.
    """
    sizes = np.array([len(one.left) for one in lists], np.int64)
    if (sizes < 1).any():
        raise ModelError(f"{what}: tree {int(np.argmin(sizes))} has no nodes; save the model again")

    def joined(name: str, kind: Any) -> np.ndarray:
        parts: list[np.ndarray] = [np.asarray(getattr(one, name), kind) for one in lists]
        return np.concatenate(parts) if parts else np.empty(0, kind)

    left, right, feature = joined("left", np.int64), joined("right", np.int64), joined("feature", np.int64)
    tree = np.repeat(np.arange(len(lists)), sizes)
    first = np.repeat(np.cumsum(np.r_[0, sizes])[:-1], sizes)
    inner = left >= 0
    outside = (
        (left >= sizes[tree]) | (right >= sizes[tree]) | (right < 0) | (feature < 0) | (feature >= n_features)
    )
    if (outside & inner).any():
        raise ModelError(f"{what}: tree {tree[np.argmax(outside & inner)]} names a node or a feature that does not "
                         "exist; save the model again")  # fmt: skip
    n_nodes = np.bincount(tree[inner], minlength=len(lists))
    node_start, leaf_start = np.cumsum(np.r_[0, n_nodes]), np.cumsum(np.r_[0, sizes - n_nodes])
    # What a place in the list is called in the tree: a node's number, or ~leaf.
    name = np.where(
        inner, np.cumsum(inner) - 1 - node_start[tree], ~(np.cumsum(~inner) - 1 - leaf_start[tree])
    )
    left, right = name[(first + left)[inner]].astype(np.int32), name[(first + right)[inner]].astype(np.int32)
    rule = (MISSING_IS_NAN << 2) + DEFAULT_LEFT * joined("default_left", np.bool_)[inner]
    cat_start, cat_stop = np.zeros(len(left), np.int64), np.zeros(len(left), np.int64)
    words: list[np.ndarray] = [np.empty(0, np.uint32)]
    at = 0
    for t, one in enumerate(lists):
        for place, members in one.sets.items():
            node = node_start[t] + name[int(np.sum(sizes[:t])) + place]
            rule[node] = CATEGORICAL | (rule[node] & DEFAULT_LEFT)
            words.append(_bitset(members))
            cat_start[node], cat_stop[node] = at, at + len(words[-1])
            at += len(words[-1])
    threshold = joined("threshold", np.float64)[inner]
    if np.isnan(threshold[rule & CATEGORICAL == 0]).any():
        raise ModelError(f"{what}: a threshold is not a number; save the model again")
    cover = joined("cover", np.float64)
    value = joined("value", np.float64)[~inner] if lists else np.empty((0, 1))
    return Trees(
        n_features, n_outputs, node_start, leaf_start, feature[inner].astype(np.int32), threshold,
        rule.astype(np.uint8), left, right, depths(node_start, leaf_start, left, right, what), cat_start, cat_stop,
        np.concatenate(words), np.ascontiguousarray(value), cover[inner], cover[~inner],
        joined("gain", np.float64)[inner], None, per_iteration, arithmetic,
    )  # fmt: skip


def _bitset(members: np.ndarray) -> np.ndarray:
    """Return a set of categories as words, uint32."""
    bits = np.zeros(32 * (int(members.max(initial=-1)) // 32 + 1), np.uint8)
    bits[members] = 1
    return np.packbits(bits, bitorder="little").view("<u4").astype(np.uint32)
