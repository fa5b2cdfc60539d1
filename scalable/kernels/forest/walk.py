"""Follow every tree from its root, row by row, on the original values: the plain form that can do everything.

The block kernel is the fast one; this one serves leaf indices, linear trees, prediction early stopping and
giant trees, and is the first step of the comparison.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.forest.rank import ZERO
from scalable.kernels.jit import kernel
from scalable.kernels.memory import load_f32, load_f64


@kernel(inline=True)
def load_row(places: Any, row: Any, out: Any) -> None:
    """Copy one row to `out`; magnitudes up to LightGBM's zero threshold become 0."""
    for f in range(len(out)):
        address = np.uintp(places[f, 0] + row * places[f, 1])
        value = load_f32(address) if places[f, 2] else load_f64(address)
        out[f] = 0.0 if abs(value) <= ZERO else value


@kernel(inline=True)
def _in_set(value: Any, words: Any, start: Any, stop: Any) -> Any:
    """Return whether the category `value` truncates to is in a bitset."""
    if not (value > -1.0 and value < 32.0 * (stop - start)):
        return False
    category = np.int64(value)
    return (words[start + (category >> 5)] >> np.uint32(category & 31)) & np.uint32(1) != 0


@kernel(inline=True)
def find_leaf(x: Any, t: Any, trees: Any) -> Any:
    """Return the leaf (within tree `t`) of one row."""
    node_start, _, feature, threshold, decision, left, right, cat_start, cat_stop, cat_words = trees[:10]
    base = node_start[t]
    if node_start[t + 1] == base:
        return 0
    node = 0
    while node >= 0:
        at = base + node
        value, kind = x[feature[at]], decision[at]
        missing = (kind >> 2) & 3
        if kind & 1:
            goes_left = _in_set(value, cat_words, cat_start[at], cat_stop[at])
        else:
            if np.isnan(value) and missing != 2:
                value = 0.0
            if (missing == 1 and abs(value) <= ZERO) or (missing == 2 and np.isnan(value)):
                goes_left = kind & 2 != 0
            else:
                goes_left = value <= threshold[at]
        node = left[at] if goes_left else right[at]
    return ~node


@kernel(inline=True)
def leaf_output(
    x: Any,
    leaf: Any,
    leaf_value: Any,
    linear: Any,
    linear_start: Any,
    linear_feature: Any,
    linear_coeff: Any,
    leaf_const: Any,
) -> Any:
    """Return the output of a (global) leaf; a linear leaf falls back to its constant when a feature is NaN."""
    if not linear[leaf]:
        return leaf_value[leaf]
    value = leaf_const[leaf]
    for i in range(linear_start[leaf], linear_start[leaf + 1]):
        v = x[linear_feature[i]]
        if np.isnan(v):
            return leaf_value[leaf]
        value += linear_coeff[i] * v
    return value


@kernel(inline=True)
def _confident(total: Any, margin: Any) -> Any:
    """Return whether the margin of a row's scores exceeds `margin` (LightGBM's early-stopping rule)."""
    if len(total) == 1:
        return 2.0 * abs(total[0]) > margin
    first = second = -np.inf
    for value in total:
        if value > first:
            first, second = value, first
        elif value > second:
            second = value
    return first - second > margin


@kernel()
def walk_rows(
    places: Any,
    first_row: Any,
    trees: Any,
    leaves: Any,
    stop_every: Any,
    stop_margin: Any,
    x: Any,
    out: Any,
    leaf_out: Any,
) -> None:
    """Write raw scores (`out`) and, where `leaf_out` has columns, leaf indices.

    Parameters
    ----------
    places : int64 (n_features, 3)
        Where each feature's values lie, see ``scalable.inference.forest.places.Columns``.
    first_row : int
        Row of `places` that is the first of `out`.
    trees : tuple
        node_start, leaf_start, feature, threshold, decision, left, right, cat_start, cat_stop, cat_words.
    leaves : tuple
        leaf_value, linear (bool per leaf), linear_start, linear_feature, linear_coeff, leaf_const.
    stop_every : int
        Iterations between early-stopping checks; 0 never stops.
    stop_margin : float
    x : float64 (n_features,)
        Scratch.
    out : float64 (n_rows, n_outputs)
    leaf_out : int32 (n_rows, n_trees or 0)
    """
    outputs = out.shape[1]
    leaf_start = trees[1]
    for row in range(out.shape[0]):
        load_row(places, first_row + row, x)
        out[row] = 0.0
        output = iterations = 0
        for t in range(len(leaf_start) - 1):
            leaf = find_leaf(x, t, trees)
            if leaf_out.shape[1]:
                leaf_out[row, t] = leaf
            out[row, output] += leaf_output(x, leaf_start[t] + leaf, *leaves)
            output += 1
            if output == outputs:
                output = 0
                iterations += 1
                if iterations == stop_every:
                    iterations = 0
                    if _confident(out[row], stop_margin):
                        break
