"""Exact path-dependent SHAP values (Lundberg et al., 2020) by quadrature.

A leaf of value ``v`` below splits on ``d`` different features gives feature ``i``

    v (o_i - r_i) * integral over t in [0, 1] of the product over j != i of (t o_j + (1 - t) r_j),

where ``o_j`` says whether the row takes all the leaf's turns on feature ``j``, and ``r_j`` is the share of the training
rows that did. The integrand is a polynomial of degree ``d - 1``: Gauss and Legendre's rule of ``ceil(d / 2)`` points is
exact, all terms are products of numbers from 0 to 1, so nothing cancels, and rows go side by side in vectors.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from scalable.kernels.forest.leaves import load_rows
from scalable.kernels.forest.tree_walk import goes_left
from scalable.kernels.jit import kernel

EXPLAINED, FEW = (0,) * 64, (0,) * 8  # rows of a block: a tuple's length is a constant to the compiler


class Paths(NamedTuple):
    """The ways to all leaves.

    Attributes
    ----------
    begin : int64 (n_leaves + 1,)
        Range of each leaf's elements, one for each feature on its path.
    feature : int32 (n_elements,)
    share : float64 (n_elements,)
        Of the training rows that came to these nodes, those that turned as the leaf asks.
    turns : int64 (n_elements + 1,)
        Range of each element's turns.
    node : int32, side : uint8 (n_turns,)
        Node within its tree, and whether to go left there.
    """

    begin: Any
    feature: Any
    share: Any
    turns: Any
    node: Any
    side: Any


@kernel()
def fill_paths(trees: Any, node_cover: Any, leaf_cover: Any, parent: Any, paths: Any, fill: Any) -> Any:
    """Count a forest's elements and turns, or write them where `fill`; return both numbers.

    Parameters
    ----------
    trees : WalkTrees
    node_cover, leaf_cover : float64
    parent : int32 (most nodes and leaves of a tree,)
        Scratch.
    paths : Paths
        To be filled; empty while counting.
    """
    elements = turns = 0
    for t in range(len(trees.leaf_start) - 1):
        base, n_nodes = trees.node_start[t], trees.node_start[t + 1] - trees.node_start[t]
        first = trees.leaf_start[t]
        for i in range(n_nodes):
            for child in (trees.nodes[base + i].left, trees.nodes[base + i].right):
                parent[child if child >= 0 else n_nodes + ~child] = i
        for leaf in range(trees.leaf_start[t + 1] - first):
            if fill:
                paths.begin[first + leaf] = elements
            top = n_nodes + leaf
            here = top
            while here != 0 and n_nodes:  # each feature is taken up at its lowest node
                at = parent[here]
                feature = trees.nodes[base + at].feature
                below, seen = top, False
                while below != here and not seen:
                    seen = trees.nodes[base + parent[below]].feature == feature
                    below = parent[below]
                if not seen:
                    share, child, up = 1.0, here, at
                    if fill:
                        paths.feature[elements] = feature
                        paths.turns[elements] = turns
                    while True:
                        node = trees.nodes[base + up]
                        if node.feature == feature:
                            local = child if child < n_nodes else ~(child - n_nodes)
                            cover = (
                                node_cover[base + child] if child < n_nodes else leaf_cover[first + ~local]
                            )
                            share *= cover / node_cover[base + up]
                            if fill:
                                paths.node[turns] = up
                                paths.side[turns] = node.left == local
                            turns += 1
                        if up == 0:
                            break
                        child, up = up, parent[up]
                    if fill:
                        paths.share[elements] = share
                    elements += 1
                here = at
    if fill:
        paths.begin[len(paths.begin) - 1] = elements
        paths.turns[len(paths.turns) - 1] = turns
    return elements, turns


@kernel(inline=True)
def _explain_tree(
    leaves: Any,
    output: Any,
    values: Any,
    paths: Any,
    taken: Any,
    points: Any,
    weights: Any,
    lanes: Any,
    work: Any,
) -> None:
    """Add what one tree's leaves (first, last + 1) give to every feature of a block of rows."""
    begin_of, feature, share, turns, node, side = paths
    o, f, below, above, total, phi = work
    for leaf in range(leaves[0], leaves[1]):
        begin = begin_of[leaf]
        d = begin_of[leaf + 1] - begin
        for e in range(d):
            for i in range(len(lanes)):
                o[e, i] = 1.0
                total[e, i] = 0.0
            for k in range(turns[begin + e], turns[begin + e + 1]):
                at, want = np.uint64(node[k]), side[k]
                for i in range(len(lanes)):
                    o[e, i] = o[e, i] if taken[at, i] == want else 0.0
        n = (d + 1) // 2
        for q in range(n):
            t, w = points[n, q], weights[n, q]
            for i in range(len(lanes)):
                below[0, i] = 1.0
                above[i] = w
            for e in range(d):
                r = (1.0 - t) * share[begin + e]
                for i in range(len(lanes)):
                    f[e, i] = t * o[e, i] + r
                    below[e + 1, i] = below[e, i] * f[e, i]
            for e in range(d - 1, -1, -1):
                for i in range(len(lanes)):
                    total[e, i] += below[e, i] * above[i]
                    above[i] *= f[e, i]
        for k in range(values.shape[1]):
            value, to = values[leaf, k], np.uint64(output + k)
            for e in range(d):
                j, r = np.uint64(feature[begin + e]), share[begin + e]
                for i in range(len(lanes)):
                    phi[to, j, i] += value * (o[e, i] - r) * total[e, i]


@kernel()
def shap_rows(
    places: Any,
    first_row: Any,
    trees: Any,
    values: Any,
    paths: Any,
    rule: Any,
    most: Any,
    lanes: Any,
    out: Any,
) -> None:
    """Add SHAP values of consecutive rows to `out`.

    Parameters
    ----------
    places : PLACE (n_features,)
    first_row : int
        Row of `places` that is the first of `out`.
    trees : WalkTrees
    values : float64 (n_leaves, width)
    paths : Paths
    rule : tuple of float64 (n, n)
        Points in [0, 1] and weights of the quadratures of 0 to n - 1 points.
    most : tuple of int
        Nodes of the largest tree; most features on a path.
    lanes : EXPLAINED or FEW
    out : float64 (n_rows, n_outputs, n_features + 1)
    """
    points, weights = rule
    nodes, sets = trees.nodes, (trees.cat_start, trees.cat_stop, trees.cat_words)
    elements = paths.begin, paths.feature, paths.share, paths.turns, paths.node, paths.side
    outputs, n_features, width = out.shape[1], len(places), values.shape[1]
    x = np.zeros((len(lanes), n_features))
    taken = np.zeros((most[0] + 1, len(lanes)), np.uint8)
    phi = np.zeros((outputs, n_features, len(lanes)))
    deep = most[1] + 1
    o, f, total = np.zeros((deep, len(lanes))), np.zeros((deep, len(lanes))), np.zeros((deep, len(lanes)))
    work = (o, f, np.zeros((deep + 1, len(lanes))), np.zeros(len(lanes)), total, phi)
    for start in range(0, out.shape[0], len(lanes)):
        n = min(len(lanes), out.shape[0] - start)
        load_rows(places, first_row + start, n, x)
        phi[:] = 0.0
        output = 0
        for t in range(len(trees.leaf_start) - 1):
            base = trees.node_start[t]
            for j in range(trees.node_start[t + 1] - base):
                for i in range(n):
                    taken[j, i] = goes_left(x, np.uint64(i), np.uint64(base + j), nodes, sets)
            leaves = trees.leaf_start[t], trees.leaf_start[t + 1]
            _explain_tree(leaves, output, values, elements, taken, points, weights, lanes, work)
            output += width
            if output == outputs:
                output = 0
        for i in range(n):
            for k in range(outputs):
                for j in range(n_features):
                    out[start + i, k, j] += phi[k, j, i]
