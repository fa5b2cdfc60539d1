"""Exact path-dependent SHAP values (Lundberg et al., 2020) of single rows, by quadrature along the edges of a tree.

A leaf of value ``v`` below splits on ``d`` different features gives feature ``i``

    v (o_i - r_i) * integral over t in [0, 1] of the product over j != i of f_j(t) = t o_j + (1 - t) r_j,

where ``o_j`` says whether the row takes all the leaf's turns on feature ``j``, and ``r_j`` is the share of the training
rows that did. The integrand is a polynomial of degree ``d - 1``: Gauss and Legendre's rule of ``ceil(d / 2)`` points is
exact. All leaves below an edge share the factors above it (Linear TreeSHAP, Yu et al., 2022, sums polynomials so).

Going down, a node's product ``P`` times the factor of an edge over that of the feature's edge above, ``f_e / f_a``, is
the product below. Going up, ``B`` of a node is the sum over its edges of that quotient times ``B`` below, which at a
leaf is its value. The feature gets, of an edge and less what its edge above was given of the same leaves,

    P B ((o_e - r_e) / f_a - (1 - r_a) f_e / f_a^2) = P B c / f_a^2 with c = o_e r_a - r_e

where the row comes to the node, and nothing where it does not: there both are -P B f_e / ((1 - t) f_a). An edge without
one above has ``r_a = f_a = 1``. A node needs one division, and no quotient is large: a factor is never larger than the
one above it. The points go side by side in a vector.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.forest.leaves import load_rows
from scalable.kernels.forest.tree_walk import goes_left
from scalable.kernels.jit import kernel
from scalable.kernels.vectors import LANES, fork8, join8, spread8

_U = np.uint64
FORK = np.dtype(
    [
        # Of the training rows, those that took all edges of the feature down to here, and those that go on so.
        ("share", np.float64),
        ("left_share", np.float64),
        ("right_share", np.float64),
        ("above", np.int32),  # 1 + the nearest edge of the same feature above; 0 for none
        ("left", np.int32),  # the fork below; the number of forks + the leaf within the tree
        ("right", np.int32),
        ("feature", np.int32),
        ("node", np.int32),  # within the tree
    ],
    align=True,
)
"""A node and its edges, 2 k and 2 k + 1 of the k-th fork of a tree; forks stand after those above them."""

LEAST_SHARE = 1e-100  # a leaf that no training row reached has a share of 0, by which nothing can be divided


@kernel()
def fill_forks(
    trees: Any, node_cover: Any, leaf_cover: Any, parent: Any, depth: Any, forks: Any, n_points: Any
) -> None:
    """Write a forest's forks, and each tree's number of quadrature points.

    Parameters
    ----------
    trees : WalkTrees
    node_cover, leaf_cover : float64
    parent, depth : int64 (most nodes of a tree,)
        Working space: the edge that leads to a fork, the features from the root to it.
    forks : FORK (n_nodes,)
    n_points : int64 (n_trees,)
    """
    for t in range(len(trees.leaf_start) - 1):
        base, first = trees.node_start[t], trees.leaf_start[t]
        n, made, most = trees.node_start[t + 1] - base, 1, 0
        if n:
            forks[base].node, parent[0], depth[0] = 0, -1, 0
        for i in range(n):
            fork = forks[base + i]
            split, cover = trees.nodes[base + fork.node], node_cover[base + fork.node]
            edge = parent[i]
            while edge >= 0 and forks[base + edge // 2].feature != split.feature:
                edge = parent[edge // 2]
            share = 1.0
            if edge >= 0:
                taken = forks[base + edge // 2]
                share = taken.right_share if edge % 2 else taken.left_share
            features = depth[i] + (edge < 0)
            most = max(most, features)
            fork.share, fork.above, fork.feature = share, edge + 1, split.feature
            for side in range(2):
                child = split.left if side == 0 else split.right
                below = node_cover[base + child] if child >= 0 else leaf_cover[first + ~child]
                own, place = max(share * (below / cover), LEAST_SHARE), n + ~child
                if child >= 0:
                    place = made
                    forks[base + made].node, parent[made], depth[made] = child, 2 * i + side, features
                    made += 1
                if side == 0:
                    fork.left, fork.left_share = place, own
                else:
                    fork.right, fork.right_share = place, own
        n_points[t] = (most + 1) // 2


@kernel(inline=True)
def place(first: Any, index: Any, wide: Any) -> Any:
    """Return the address of an entry; of signed and unsigned numbers Numba would make floats."""
    return first + np.uintp(index) * wide


@kernel(inline=True)
def _down(forks: Any, base: Any, n: Any, on: Any, t: Any, u: Any, product: Any, factors: Any) -> None:
    """Write the factors of all edges, the products of all forks, and of these what their features get them by."""
    wide = np.uintp(8 * LANES)
    first, edges = np.uintp(product.ctypes.data), np.uintp(factors.ctypes.data)
    for i in range(n):
        fork, here, edge = forks[_U(base + i)], place(first, i, wide), place(edges, 2 * i, wide)
        fork8(
            edge, edge + wide, place(first, min(fork.left, n), wide), place(first, min(fork.right, n), wide), here,
            here, t, u, on[_U(fork.above)], fork.share, on[_U(2 * i + 1)], fork.left_share, on[_U(2 * i + 2)],
            fork.right_share,
        )  # fmt: skip


@kernel(inline=True)
def _up(forks: Any, base: Any, n: Any, on: Any, product: Any, factors: Any, sums: Any, phi: Any) -> None:
    """Add the leaves' values times the factors above them up to the root, and give the features their shares."""
    wide = np.uintp(8 * LANES)
    first, edges = np.uintp(product.ctypes.data), np.uintp(factors.ctypes.data)
    totals, to = np.uintp(sums.ctypes.data), np.uintp(phi.ctypes.data)
    for i in range(n - 1, -1, -1):
        fork = forks[_U(base + i)]
        edge, feature, above = place(edges, 2 * i, wide), place(to, fork.feature, wide), on[_U(fork.above)]
        join8(
            place(totals, i, wide), feature, place(totals, fork.left, wide), place(totals, fork.right, wide), edge,
            edge + wide, place(first, i, wide), feature, on[_U(2 * i + 1)] * fork.share - above * fork.left_share,
            on[_U(2 * i + 2)] * fork.share - above * fork.right_share,
        )  # fmt: skip


@kernel()
def shap_few(
    places: Any, first_row: Any, trees: Any, values: Any, forks: Any, n_points: Any, rules: Any, out: Any
) -> None:
    """Add SHAP values of consecutive rows to `out`, one row at a time.

    Parameters
    ----------
    places : PLACE (n_features,)
    first_row : int
        Row of `places` that is the first of `out`.
    trees : WalkTrees
    values : float64 (n_leaves, width)
    forks : FORK (n_nodes,)
    n_points : int64 (n_trees,)
    rules : float64 (n, 3, a multiple of LANES)
        For quadratures of 0 to n - 1 points: points ``t``, ``1 - t``, weights.
    out : float64 (n_rows, n_outputs, n_features + 1)
    """
    nodes, sets = trees.nodes, (trees.cat_start, trees.cat_stop, trees.cat_words)
    outputs, n_features, width = out.shape[1], len(places), values.shape[1]
    most = 0
    for tree in range(len(n_points)):
        most = max(most, trees.node_start[tree + 1] - trees.node_start[tree])
    x = np.zeros((1, n_features))
    on = np.ones(2 * most + 1)  # the first is of no edge
    product = np.zeros((most + 1, LANES))  # the last is of all leaves, at which nobody looks
    factors, sums = np.zeros((2 * most, LANES)), np.zeros((2 * most + 1, LANES))
    phi = np.zeros((outputs, n_features, LANES))
    for row in range(out.shape[0]):
        load_rows(places, first_row + row, 1, x)
        phi[:] = 0.0
        output = 0
        for tree in range(len(n_points)):
            base, leaf = trees.node_start[tree], trees.leaf_start[tree]
            n, points = trees.node_start[tree + 1] - base, n_points[tree]
            for i in range(n):
                fork = forks[_U(base + i)]
                above = on[_U(fork.above)]
                left = above if goes_left(x, _U(0), _U(base + fork.node), nodes, sets) else 0.0
                on[_U(2 * i + 1)], on[_U(2 * i + 2)] = left, above - left
            rule = rules[points]
            for q in range(0, points, LANES):
                t, u = np.uintp(rule[0, q:].ctypes.data), np.uintp(rule[1, q:].ctypes.data)
                product[0] = rule[2, q : q + LANES]
                _down(forks, base, n, on, t, u, product, factors)
                for k in range(width):
                    at = np.uintp(sums[n:].ctypes.data)
                    for j in range(n + 1):
                        spread8(place(at, j, np.uintp(8 * LANES)), values[_U(leaf + j), _U(k)])
                    _up(forks, base, n, on, product, factors, sums, phi[output + k])
            output += width
            if output == outputs:
                output = 0
        for k in range(outputs):
            for j in range(n_features):
                total = 0.0
                for q in range(LANES):
                    total += phi[k, j, q]
                out[row, k, j] += total
