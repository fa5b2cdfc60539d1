"""Exact path-dependent SHAP values (Lundberg et al., 2020) of single rows, by quadrature along the edges of a tree.

A leaf of value ``v`` below splits on ``d`` different features gives feature ``i``

    v (o_i - r_i) * integral over t in [0, 1] of the product over j != i of f_j(t) = t o_j + (1 - t) r_j,

where ``o_j`` says whether the row takes all the leaf's turns on feature ``j``, and ``r_j`` is the share of the training
rows that did. The integrand is a polynomial of degree ``d - 1``: Gauss and Legendre's rule of ``ceil(d / 2)`` points is
exact. All leaves below an edge share the factors above it (Linear TreeSHAP, Yu et al., 2022, sums polynomials so). At
each point, going down multiplies the factors, and going up adds the leaves' values times their products to ``S_e(t)``.
The feature of ``e`` gets

    (o_e - r_e) * integral of S_e(t) / f_e(t), less the same with the factor of the feature's edge above,

whose own sum holds these leaves, too. A factor is never larger than the one above it, and where the row does not go,
``(o - r) / f`` is ``-1 / (1 - t)``: no quotient is large. The points go side by side in a vector.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.forest.leaves import load_rows
from scalable.kernels.forest.tree_walk import goes_left
from scalable.kernels.jit import kernel
from scalable.kernels.vectors import (
    LANES,
    add8,
    add_product8,
    add_quotient8,
    blend_product8,
    blend_quotient8,
    scale8,
)

EDGE = np.dtype(
    [
        (
            "share",
            np.float64,
        ),  # of the training rows, those that took all edges of the feature down to this one
        ("parent", np.int32),  # edges within the tree; -1 for none
        ("above", np.int32),  # nearest edge of the same feature
        ("child", np.int32),  # first of the two edges below; -1 above a leaf
        ("feature", np.int32),
        ("node", np.int32),  # within the tree
        ("leaf", np.int32),  # of the forest
        ("left", np.int32),
        ("depth", np.int32),  # features from the root to here
    ]
)
"""What leads to a node or a leaf; those of a tree in the order of their depth, siblings side by side."""

LEAST_SHARE = 1e-100  # a leaf that no training row reached has a share of 0, by which nothing can be divided


@kernel()
def fill_edges(trees: Any, node_cover: Any, leaf_cover: Any, edges: Any, n_points: Any) -> None:
    """Write a forest's edges, two a node, and each tree's number of quadrature points.

    Parameters
    ----------
    trees : WalkTrees
    node_cover, leaf_cover : float64
    edges : EDGE (2 * n_nodes,)
    n_points : int64 (n_trees,)
    """
    for t in range(len(trees.leaf_start) - 1):
        base, first = trees.node_start[t], trees.leaf_start[t]
        start, most = 2 * base, 0
        n = 2 * (trees.node_start[t + 1] - base)
        made, at, node = 0, -1, 0
        while made < n:
            split = trees.nodes[base + node]
            for side in range(2):
                child = split.left if side == 0 else split.right
                cover = node_cover[base + child] if child >= 0 else leaf_cover[first + ~child]
                above = at
                while above >= 0 and edges[start + above].feature != split.feature:
                    above = edges[start + above].parent
                share = cover / node_cover[base + node]
                depth = 1 if at < 0 else edges[start + at].depth + (above < 0)
                edge = edges[start + made]
                edge.share = max(share * (edges[start + above].share if above >= 0 else 1.0), LEAST_SHARE)
                edge.parent, edge.above, edge.feature, edge.node = at, above, split.feature, node
                edge.left = side == 0
                edge.depth = depth
                edge.leaf = first + ~child if child < 0 else -1
                edge.child = child if child >= 0 else -1  # the node, until its edges are known
                most = max(most, depth)
                made += 1
            if at >= 0:
                edges[start + at].child = made - 2
            at += 1
            while at < n and edges[start + at].child < 0:
                at += 1
            if at < n:
                node = edges[start + at].child
        n_points[t] = (most + 1) // 2


@kernel(inline=True)
def _down(edges: Any, start: Any, n: Any, on: Any, product: Any, t: Any, u: Any) -> None:
    """Multiply the factors from the root to each edge."""
    wide = product.strides[0]
    first = np.uintp(product.ctypes.data)
    for e in range(n):
        edge = edges[np.uint64(start + e)]
        out, parent = np.uintp(first + (e + 1) * wide), np.uintp(first + (edge.parent + 1) * wide)
        if edge.above < 0:
            blend_product8(out, parent, t, u, float(on[e]), edge.share)
        elif on[edge.above]:
            above = edges[np.uint64(start + edge.above)].share
            blend_quotient8(out, parent, t, u, float(on[e]), edge.share, above)
        else:
            scale8(out, parent, edge.share / edges[np.uint64(start + edge.above)].share)


@kernel(inline=True)
def _up(
    edges: Any, start: Any, n: Any, on: Any, product: Any, sums: Any, values: Any, k: Any, rule: Any, phi: Any
) -> None:
    """Add the leaves' values times their products from the leaves to the root, and what features get by them."""
    t, u, w, off = rule
    wide = product.strides[0]
    products, totals, to = (
        np.uintp(product.ctypes.data),
        np.uintp(sums.ctypes.data),
        np.uintp(phi.ctypes.data),
    )
    for e in range(n - 1, -1, -1):
        edge = edges[np.uint64(start + e)]
        here = np.uintp(totals + e * wide)
        if edge.child < 0:
            scale8(here, np.uintp(products + (e + 1) * wide), values[edge.leaf, k])
        else:
            below = np.uintp(totals + edge.child * wide)
            add8(here, below, np.uintp(below + wide))
        feature = np.uintp(to + edge.feature * wide)
        if on[e]:
            add_quotient8(feature, here, w, t, u, feature, 1.0 - edge.share, edge.share)
        else:
            add_product8(feature, here, off, feature, 1.0)
        if edge.above >= 0:
            if on[edge.above]:
                share = edges[np.uint64(start + edge.above)].share
                add_quotient8(feature, here, w, t, u, feature, share - 1.0, share)
            else:
                add_product8(feature, here, off, feature, -1.0)


@kernel()
def shap_few(
    places: Any, first_row: Any, trees: Any, values: Any, edges: Any, n_points: Any, rules: Any, out: Any
) -> None:
    """Add SHAP values of consecutive rows to `out`, one row at a time.

    Parameters
    ----------
    places : PLACE (n_features,)
    first_row : int
        Row of `places` that is the first of `out`.
    trees : WalkTrees
    values : float64 (n_leaves, width)
    edges : EDGE (2 * n_nodes,)
    n_points : int64 (n_trees,)
    rules : float64 (n, 4, a multiple of LANES)
        For quadratures of 0 to n - 1 points: points ``t``, ``1 - t``, weights, and ``-weight / (1 - t)``.
    out : float64 (n_rows, n_outputs, n_features + 1)
    """
    nodes, sets = trees.nodes, (trees.cat_start, trees.cat_stop, trees.cat_words)
    outputs, n_features, width = out.shape[1], len(places), values.shape[1]
    most = 0
    for t in range(len(n_points)):
        most = max(most, 2 * (trees.node_start[t + 1] - trees.node_start[t]))
    x = np.zeros((1, n_features))
    on = np.zeros(most + 1, np.uint8)
    product, sums = np.ones((most + 1, LANES)), np.zeros((most + 1, LANES))
    phi = np.zeros((outputs, n_features, LANES))
    for row in range(out.shape[0]):
        load_rows(places, first_row + row, 1, x)
        phi[:] = 0.0
        output = 0
        for tree in range(len(n_points)):
            base = trees.node_start[tree]
            start, n = 2 * base, 2 * (trees.node_start[tree + 1] - base)
            for e in range(0, n, 2):  # siblings ask one question
                edge = edges[np.uint64(start + e)]
                left = goes_left(x, np.uint64(0), np.uint64(base + edge.node), nodes, sets)
                up = edge.above < 0 or on[edge.above] != 0
                on[e], on[e + 1] = up and left, up and not left
            rule, points = rules[n_points[tree]], n_points[tree]
            for q in range(0, points, LANES):
                at = np.uintp(rule.ctypes.data + 8 * q)
                step = rule.strides[0]
                four = at, np.uintp(at + step), np.uintp(at + 2 * step), np.uintp(at + 3 * step)
                _down(edges, start, n, on, product, four[0], four[1])
                for k in range(width):
                    _up(edges, start, n, on, product, sums, values, k, four, phi[output + k])
            output += width
            if output == outputs:
                output = 0
        for k in range(outputs):
            for j in range(n_features):
                total = 0.0
                for q in range(LANES):
                    total += phi[k, j, q]
                out[row, k, j] += total
