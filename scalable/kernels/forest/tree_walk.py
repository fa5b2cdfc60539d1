"""Follow every tree from its root, a block of rows at a time, on the original values: the form that can do everything.

The block kernel is the fast one; this one serves a few rows of what the single-row kernel cannot do (forests beyond
its layout, prediction early stopping) and giant trees, and is the first step of the comparison.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.forest.leaves import confident, linear_leaf, load_rows
from scalable.kernels.forest.rank import ZERO
from scalable.kernels.forest.tables import (
    CATEGORICAL,
    DEFAULT_LEFT,
    MISSING_IS_ZERO,
    MISSING_OR_ZERO,
)
from scalable.kernels.jit import kernel

WALKED = 128  # rows of a block: with their values, a tree stays in cache


@kernel(inline=True)
def _set_goes_left(value: Any, at: Any, sets: Any, rule: Any) -> Any:
    """Return whether the category `value` truncates to goes left at node `at`."""
    cat_start, cat_stop, cat_words = sets
    start, stop = cat_start[at], cat_stop[at]
    if np.isnan(value):
        return rule & DEFAULT_LEFT != 0
    if not (value > -1.0 and value < 32.0 * (stop - start)):
        return False
    category = np.int64(value)
    return (cat_words[start + (category >> 5)] >> np.uint32(category & 31)) & np.uint32(1) != 0


@kernel(inline=True)
def goes_left(x: Any, i: Any, at: Any, nodes: Any, sets: Any) -> Any:
    """Return whether row `i` goes left at node `at`."""
    split = nodes[at]
    value, rule = x[i, np.uint64(split.feature)], split.rule
    missing = (rule >> 2) & 3
    if rule & CATEGORICAL:
        return _set_goes_left(value, at, sets, rule)
    if missing == MISSING_OR_ZERO and abs(value) <= ZERO:
        return rule & DEFAULT_LEFT != 0
    if value <= split.bound or value > split.bound:
        return value <= split.bound
    if missing == MISSING_IS_ZERO:
        return split.bound >= 0.0
    return rule & DEFAULT_LEFT != 0


@kernel(inline=True)
def _find_leaf(x: Any, i: Any, base: Any, node: Any, nodes: Any, sets: Any) -> Any:
    """Return the leaf of row `i` in the tree whose nodes begin at `base`; `node` is its root, or ``~leaf``."""
    while node >= 0:
        at = np.uint64(base + node)
        node = nodes[at].left if goes_left(x, i, at, nodes, sets) else nodes[at].right
    return ~node


@kernel()
def walk_rows(
    places: Any, first_row: Any, trees: Any, leaves: Any, stop_every: Any, stop_margin: Any, x: Any, out: Any,
    leaf_out: Any,
) -> None:  # fmt: skip
    """Write raw scores (`out`) and, where `leaf_out` has columns, leaf indices.

    Parameters
    ----------
    places : PLACE (n_features,)
    first_row : int
        Row of `places` that is the first of `out`.
    trees : WalkTrees
    leaves : WalkLeaves
    stop_every : int
        Iterations between early-stopping checks; 0 never stops.
    stop_margin : float
    x : float64 (WALKED, n_features)
        Scratch.
    out : float64 (n_rows, n_outputs)
    leaf_out : int32 (n_rows, n_trees or 0)
    """
    outputs, width = out.shape[1], leaves.value.shape[1]
    nodes, sets = trees.nodes, (trees.cat_start, trees.cat_stop, trees.cat_words)
    values, is_linear, narrow = leaves.value, leaves.is_linear, leaves.narrow
    terms = leaves.linear_start, leaves.linear_feature, leaves.linear_coef, leaves.linear_constant
    running = np.zeros(WALKED, np.uint64)  # rows that have not stopped
    sums = np.zeros((outputs, WALKED))
    for start in range(0, out.shape[0], WALKED):
        held = n = min(WALKED, out.shape[0] - start)
        load_rows(places, first_row + start, n, x)
        for i in range(n):
            running[i] = i
            for output in range(outputs):
                sums[output, i] = leaves.sum_start[output]
        output = iterations = 0
        for t in range(len(trees.leaf_start) - 1):
            first, base = trees.leaf_start[t], trees.node_start[t]
            root = 0 if trees.node_start[t + 1] > base else -1
            for r in range(n):
                i = running[r]
                leaf = _find_leaf(x, i, base, root, nodes, sets)
                if leaf_out.shape[1]:
                    leaf_out[start + i, t] = leaf
                for k in range(width):
                    at = np.uint64(first + leaf)
                    value = values[at, k]
                    if is_linear[at]:
                        value = linear_leaf(x, i, at, terms, value)
                    value = sums[output + k, i] + value
                    sums[output + k, i] = np.float64(np.float32(value)) if narrow else value
            output += width
            if output == outputs:
                output = 0
                iterations += 1
                if iterations == stop_every:
                    iterations = kept = 0
                    for r in range(n):
                        if not confident(sums, running[r], stop_margin):
                            running[kept] = running[r]
                            kept += 1
                    n = kept
        for i in range(held):
            for output in range(outputs):
                out[start + i, output] = sums[output, i]
