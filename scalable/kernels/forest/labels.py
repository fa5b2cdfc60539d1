"""Give the leaves of a tree bit labels such that nearly every split changes a single bit."""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.jit import kernel


@kernel(inline=True)
def _nearest_free(label: Any, bits: Any, used: Any) -> Any:
    """Return the free label that differs from `label` in the fewest bits (the numerically first such flip)."""
    for a in range(bits):
        if not used[label ^ (1 << a)]:
            return label ^ (1 << a)
    for a in range(bits):
        for b in range(a):
            if not used[label ^ (1 << a) ^ (1 << b)]:
                return label ^ (1 << a) ^ (1 << b)
    best, best_weight = -1, 99
    for candidate in range(1 << bits):
        if not used[candidate]:
            weight, rest = 0, candidate ^ label
            while rest:
                weight += rest & 1
                rest >>= 1
            if weight < best_weight:
                best, best_weight = candidate, weight
    return best


@kernel()
def label_trees(
    node_start: Any,
    leaf_start: Any,
    order: Any,
    left: Any,
    right: Any,
    bits: Any,
    used: Any,
    node_label: Any,
    flip: Any,
    leaf_label: Any,
) -> None:
    """Label all leaves: a left child keeps its parent's label, a right child takes the nearest free one.

    Parameters
    ----------
    node_start, leaf_start : int64 (n_trees + 1,)
    order : int64 (n_nodes,)
        Nodes of each tree, parents first; numbers are global.
    left, right : int32 (n_nodes,)
        Local children, ``~leaf`` for leaves.
    bits : int64 (n_trees,)
        Label width of each tree; ``2 ** bits`` is at least its number of leaves.
    used : bool (2 ** max(bits),)
        Scratch.
    node_label, flip : int64 (n_nodes,)
        Outputs: label of the node's leftmost leaf, and the bits that change for rows that go right.
    leaf_label : int64 (n_leaves,)
        Output.
    """
    for t in range(len(node_start) - 1):
        used[: 1 << bits[t]] = False
        used[0] = True
        if node_start[t] == node_start[t + 1]:
            leaf_label[leaf_start[t]] = 0
            continue
        node_label[node_start[t]] = 0
        for at in range(node_start[t], node_start[t + 1]):
            node = order[at]
            label = node_label[node]
            fresh = _nearest_free(label, bits[t], used)
            used[fresh] = True
            flip[node] = label ^ fresh
            for child, value in ((left[node], label), (right[node], np.int64(fresh))):
                if child >= 0:
                    node_label[node_start[t] + child] = value
                else:
                    leaf_label[leaf_start[t] + ~child] = value
