"""SHAP values of blocks of rows: the sums of `scalable.kernels.forest.shap_row`, 16 rows side by side.

A row takes an edge or does not, so at each point of the quadrature every factor has one of three values: they are
tabulated, and nothing is divided for a row.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.forest.leaves import load_rows
from scalable.kernels.forest.shap_row import place
from scalable.kernels.forest.tree_walk import goes_left
from scalable.kernels.jit import kernel
from scalable.kernels.vectors import LANES, fork_rows8, join_rows8

_U = np.uint64
ROWS, CHUNK, MOST = 2 * LANES, 1024, 2**20
"""Rows side by side; explained by a tree before the next one, which takes its tables once; their values."""

FACTORS = np.dtype(
    [
        (name, np.float64)
        for name in (
            "off_left", "both_left", "off_right", "both_right",  # of a row that does not come here; what coming adds
            "on",  # what going there adds
            "gain", "gain_left", "gain_right",  # what the feature gets of going, less that of coming to the node
        )
    ]
)  # fmt: skip
"""A fork at a point: factors of its edges over that of the feature's edge above, and what the feature gets."""


@kernel(inline=True)
def _tabulate(forks: Any, base: Any, n: Any, rule: Any, points: Any, table: Any) -> None:
    for q in range(points):
        t, u, w = rule[0, q], rule[1, q], rule[2, q]
        for i in range(n):
            fork, to = forks[_U(base + i)], table[q, i]
            inverse = 1.0 / (t + u * fork.share)
            to.on = t * inverse
            to.off_left, to.off_right = fork.left_share / fork.share, fork.right_share / fork.share
            to.both_left = u * fork.left_share * inverse - to.off_left
            to.both_right = u * fork.right_share * inverse - to.off_right
            weight = w * inverse * inverse
            to.gain = weight * fork.share
            to.gain_left, to.gain_right = weight * fork.left_share, weight * fork.right_share


@kernel(inline=True)
def _down(forks: Any, base: Any, n: Any, on: Any, product: Any, factors: Any) -> None:
    """Multiply the factors from the root to each fork."""
    wide = np.uintp(8 * ROWS)
    first, taken = np.uintp(product.ctypes.data), np.uintp(on.ctypes.data)
    for i in range(n):
        fork, factor = forks[_U(base + i)], factors[_U(i)]
        here, above, edge = (
            place(first, i, wide),
            place(taken, fork.above, wide),
            place(taken, 2 * i + 1, wide),
        )
        left, right = place(first, min(fork.left, n), wide), place(first, min(fork.right, n), wide)
        for half in range(ROWS // LANES):
            v = np.uintp(half * 8 * LANES)
            fork_rows8(
                left + v, right + v, here + v, above + v, edge + v, edge + wide + v, factor.off_left,
                factor.both_left, factor.off_right, factor.both_right, factor.on,
            )  # fmt: skip


@kernel(inline=True)
def _up(forks: Any, base: Any, n: Any, on: Any, product: Any, sums: Any, factors: Any, phi: Any) -> None:
    """Add the leaves' values times the factors above them up to the root, and give the features their shares."""
    wide = np.uintp(8 * ROWS)
    first, taken = np.uintp(product.ctypes.data), np.uintp(on.ctypes.data)
    totals, to = np.uintp(sums.ctypes.data), np.uintp(phi.ctypes.data)
    for i in range(n - 1, -1, -1):
        fork, factor = forks[_U(base + i)], factors[_U(i)]
        total, left, right = (
            place(totals, i, wide),
            place(totals, fork.left, wide),
            place(totals, fork.right, wide),
        )
        here, above, edge = (
            place(first, i, wide),
            place(taken, fork.above, wide),
            place(taken, 2 * i + 1, wide),
        )
        feature = place(to, fork.feature, wide)
        for half in range(ROWS // LANES):
            v = np.uintp(half * 8 * LANES)
            join_rows8(
                total + v, feature + v, left + v, right + v, here + v, above + v, edge + v, edge + wide + v,
                feature + v, factor.off_left, factor.both_left, factor.off_right, factor.both_right, factor.on,
                factor.gain, factor.gain_left, factor.gain_right,
            )  # fmt: skip


@kernel(inline=True)
def _decide(
    x: Any, row: Any, n_rows: Any, forks: Any, base: Any, n: Any, nodes: Any, sets: Any, on: Any
) -> None:
    """Write 1 where a row takes an edge and all edges of its feature above it."""
    for i in range(n):
        fork = forks[_U(base + i)]
        at = _U(base + fork.node)
        for r in range(n_rows):
            above = on[fork.above, r]
            left = above if goes_left(x, _U(row + r), at, nodes, sets) else 0.0
            on[2 * i + 1, r], on[2 * i + 2, r] = left, above - left


@kernel()
def shap_rows(
    places: Any, first_row: Any, trees: Any, values: Any, forks: Any, n_points: Any, rules: Any, out: Any
) -> None:
    """Add SHAP values of consecutive rows to `out`; parameters as of ``shap_few``."""
    nodes, sets = trees.nodes, (trees.cat_start, trees.cat_stop, trees.cat_words)
    outputs, n_features, width = out.shape[1], len(places), values.shape[1]
    most = 0
    for tree in range(len(n_points)):
        most = max(most, trees.node_start[tree + 1] - trees.node_start[tree])
    blocks = min(CHUNK, MOST // (outputs * max(n_features, 1)), out.shape[0] + ROWS - 1) // ROWS
    chunk = ROWS * max(blocks, 1)
    x = np.zeros((chunk, n_features))
    # What the rows side by side get lies together: strides of a power of two would share a few lines of the cache.
    phi = np.zeros((chunk // ROWS, outputs, n_features, ROWS))
    on = np.ones((2 * most + 1, ROWS))  # the first is of no edge
    product = np.ones((most + 1, ROWS))  # the last is of all leaves, at which nobody looks
    sums = np.zeros((width, 2 * most + 1, ROWS))
    table = np.zeros((rules.shape[0], most), FACTORS)
    for begin in range(0, out.shape[0], chunk):
        rows = min(chunk, out.shape[0] - begin)
        load_rows(places, first_row + begin, rows, x)
        phi[:] = 0.0
        output = 0
        for tree in range(len(n_points)):
            base, leaf, points = trees.node_start[tree], trees.leaf_start[tree], n_points[tree]
            n = trees.node_start[tree + 1] - base
            _tabulate(forks, base, n, rules[points], points, table)
            for k in range(width):
                for j in range(n + 1):
                    sums[k, n + j] = values[leaf + j, k]
            for row in range(0, rows, ROWS):
                _decide(x, row, min(ROWS, rows - row), forks, base, n, nodes, sets, on)
                for q in range(points):
                    _down(forks, base, n, on, product, table[q])
                    for k in range(width):
                        _up(forks, base, n, on, product, sums[k], table[q], phi[row // ROWS, output + k])
            output += width
            if output == outputs:
                output = 0
        for i in range(rows):
            for k in range(outputs):
                for j in range(n_features):
                    out[begin + i, k, j] += phi[i // ROWS, k, j, i % ROWS]
