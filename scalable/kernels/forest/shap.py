"""SHAP values of blocks of rows: the sums of `scalable.kernels.forest.shap_row`, 16 rows side by side.

A row takes an edge or does not, so at each point of the quadrature every factor has one of two values, and so has every
quotient: they are tabulated, and nothing is divided for a row.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.forest.leaves import load_rows
from scalable.kernels.forest.tree_walk import goes_left
from scalable.kernels.jit import kernel
from scalable.kernels.vectors import LANES, add8, add_line8, scale8, times_line8, times_plane8

ROWS, CHUNK, MOST = 2 * LANES, 1024, 2**20
"""Rows side by side; explained by a tree before the next one, which takes its edges and tables once; their values."""

FACTOR = np.dtype(
    [
        ("off", np.float64),  # the factor where the row does not come here
        ("both", np.float64),  # what the feature's edge above adds to it, where that was taken
        ("on", np.float64),  # what this edge adds
        ("gain", np.float64),  # what the feature gets, less that where the row does not come here
    ]
)
"""An edge at a point: its factor over that of its feature's edge above, and weight x (o - r) / f."""


@kernel(inline=True)
def _tabulate(edges: Any, start: Any, n: Any, rule: Any, points: Any, table: Any) -> None:
    for q in range(points):
        t, u, w = rule[0, q], rule[1, q], rule[2, q]
        for e in range(n):
            edge, to = edges[np.uint64(start + e)], table[q, e]
            share = edge.share
            to.gain = w * ((1.0 - share) / (t + u * share) + 1.0 / u)
            if edge.above < 0:
                to.off, to.both, to.on = u * share, 0.0, t
            else:
                above = edges[np.uint64(start + edge.above)].share
                to.off = share / above
                to.both = u * share / (t + u * above) - to.off
                to.on = t / (t + u * above)


@kernel(inline=True)
def _down(edges: Any, start: Any, n: Any, on: Any, product: Any, factors: Any) -> None:
    """Multiply the factors from the root to each edge."""
    wide, half = product.strides[0], 8 * LANES
    first, taken = np.uintp(product.ctypes.data), np.uintp(on.ctypes.data)
    for e in range(n):
        edge, factor = edges[np.uint64(start + e)], factors[e]
        out, parent = np.uintp(first + (e + 1) * wide), np.uintp(first + (edge.parent + 1) * wide)
        here, above = np.uintp(taken + e * wide), np.uintp(taken + edge.above * wide)
        for v in range(0, ROWS * 8, half):
            if edge.above < 0:
                times_line8(
                    np.uintp(out + v), np.uintp(parent + v), np.uintp(here + v), factor.off, factor.on
                )
            else:
                times_plane8(
                    np.uintp(out + v), np.uintp(parent + v), np.uintp(above + v), np.uintp(here + v),
                    factor.off, factor.both, factor.on,
                )  # fmt: skip


@kernel(inline=True)
def _up(
    edges: Any, start: Any, n: Any, on: Any, product: Any, sums: Any, values: Any, k: Any, factors: Any, off: Any,
    phi: Any,
) -> None:  # fmt: skip
    """Add the leaves' values times their products from the leaves to the root, and what features get by them."""
    wide, half = product.strides[0], 8 * LANES
    products, totals, taken = (
        np.uintp(product.ctypes.data),
        np.uintp(sums.ctypes.data),
        np.uintp(on.ctypes.data),
    )
    to = np.uintp(phi.ctypes.data)
    for e in range(n - 1, -1, -1):
        edge = edges[np.uint64(start + e)]
        here, feature = np.uintp(totals + e * wide), np.uintp(to + edge.feature * wide)
        gain = factors[e].gain
        for v in range(0, ROWS * 8, half):
            if edge.child < 0:
                scale8(np.uintp(here + v), np.uintp(products + (e + 1) * wide + v), values[edge.leaf, k])
            else:
                below = np.uintp(totals + edge.child * wide + v)
                add8(np.uintp(here + v), below, np.uintp(below + wide))
            at = np.uintp(feature + v)
            add_line8(at, np.uintp(here + v), np.uintp(taken + e * wide + v), at, off, gain)
        if edge.above >= 0:
            gain = factors[edge.above].gain
            for v in range(0, ROWS * 8, half):
                at, above = np.uintp(feature + v), np.uintp(taken + edge.above * wide + v)
                add_line8(at, np.uintp(here + v), above, at, -off, -gain)


@kernel(inline=True)
def _decide(
    x: Any, row: Any, n_rows: Any, edges: Any, start: Any, n: Any, base: Any, nodes: Any, sets: Any, on: Any
) -> None:
    """Write 1 where a row takes an edge and all edges of its feature above it."""
    for e in range(0, n, 2):  # siblings ask one question
        edge = edges[np.uint64(start + e)]
        at = np.uint64(base + edge.node)
        for i in range(n_rows):
            left = goes_left(x, np.uint64(row + i), at, nodes, sets)
            up = 1.0 if edge.above < 0 else on[edge.above, i]
            on[e, i], on[e + 1, i] = (up, 0.0) if left else (0.0, up)


@kernel()
def shap_rows(
    places: Any, first_row: Any, trees: Any, values: Any, edges: Any, n_points: Any, rules: Any, out: Any
) -> None:
    """Add SHAP values of consecutive rows to `out`; parameters as of ``shap_few``."""
    nodes, sets = trees.nodes, (trees.cat_start, trees.cat_stop, trees.cat_words)
    outputs, n_features, width = out.shape[1], len(places), values.shape[1]
    most = 0
    for t in range(len(n_points)):
        most = max(most, 2 * (trees.node_start[t + 1] - trees.node_start[t]))
    blocks = min(CHUNK, MOST // (outputs * max(n_features, 1)), out.shape[0] + ROWS - 1) // ROWS
    chunk = ROWS * max(blocks, 1)
    x = np.zeros((chunk, n_features))
    # What the rows side by side get lies together: strides of a power of two would share a few lines of the cache.
    phi = np.zeros((chunk // ROWS, outputs, n_features, ROWS))
    on, product = np.zeros((most + 1, ROWS)), np.ones((most + 1, ROWS))
    # Of one output, nobody needs an edge's product any more once its sum is known.
    sums = product[1:] if width == 1 else np.zeros((most + 1, ROWS))
    table = np.zeros((rules.shape[0], most + 1), FACTOR)
    for begin in range(0, out.shape[0], chunk):
        rows = min(chunk, out.shape[0] - begin)
        load_rows(places, first_row + begin, rows, x)
        phi[:] = 0.0
        output = 0
        for tree in range(len(n_points)):
            base, points = trees.node_start[tree], n_points[tree]
            start, n = 2 * base, 2 * (trees.node_start[tree + 1] - base)
            rule = rules[points]
            _tabulate(edges, start, n, rule, points, table)
            for row in range(0, rows, ROWS):
                _decide(x, row, min(ROWS, rows - row), edges, start, n, base, nodes, sets, on)
                for q in range(points):
                    _down(edges, start, n, on, product, table[q])
                    for k in range(width):
                        to = phi[row // ROWS, output + k]
                        _up(edges, start, n, on, product, sums, values, k, table[q], rule[3, q], to)
            output += width
            if output == outputs:
                output = 0
        for i in range(rows):
            for k in range(outputs):
                for j in range(n_features):
                    out[begin + i, k, j] += phi[i // ROWS, k, j, i % ROWS]
