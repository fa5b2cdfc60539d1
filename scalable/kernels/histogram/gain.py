"""What a leaf should answer and what a split gains, with LightGBM's meaning of its regularisation parameters."""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.jit import kernel

TINY = 1e-15  # added to hessians, so that nothing is divided by zero
NONE, NUMBER, ONE_CATEGORY, RISING, FALLING = range(5)

# Names are LightGBM's, shortened: lambda_l1, lambda_l2, min_data_in_leaf, min_sum_hessian_in_leaf, max_delta_step,
# path_smooth, min_gain_to_split; those of categories in full.
RULES = np.dtype(
    [
        ("l1", "f8"), ("l2", "f8"), ("min_data", "i8"), ("min_hessian", "f8"), ("max_delta_step", "f8"),
        ("path_smooth", "f8"), ("min_gain", "f8"), ("cat_smooth", "f8"), ("cat_l2", "f8"),
        ("max_cat_threshold", "i8"), ("max_cat_to_onehot", "i8"), ("min_data_per_group", "i8"),
        ("extra_trees", "i8"), ("constrained", "i8"),
    ]
)  # fmt: skip
# Totals in units of the packed gradients, what a unit is worth, the leaf's own output (towards which `path_smooth`
# pulls), and the bounds that monotone constraints set.
LEAF = np.dtype(
    [
        ("gradient", "i8"), ("hessian", "i8"), ("count", "i8"), ("gradient_unit", "f8"), ("hessian_unit", "f8"),
        ("output", "f8"), ("low", "f8"), ("high", "f8"),
    ]
)  # fmt: skip
# Of one feature: where its bins begin in a histogram, how many there are, whether the last one is for missing values,
# whether they are categories, and the sign of its monotone constraint.
FEATURE = np.dtype(
    [("first", "i8"), ("n_bins", "i8"), ("missing", "i8"), ("categorical", "i8"), ("monotone", "i8")]
)
# The best split of one feature: its kind, the gain over the leaf unsplit, the last bin that goes left (for sorted
# categories the last place in their order), where missing values go, and the left child's totals.
SPLIT = np.dtype(
    [
        ("kind", "i8"), ("gain", "f8"), ("threshold", "i8"), ("missing_left", "i8"), ("gradient", "i8"),
        ("hessian", "i8"), ("count", "i8"), ("left_output", "f8"), ("right_output", "f8"), ("l2", "f8"),
    ]
)  # fmt: skip


@kernel(inline=True)
def rows_like(hessian: int, leaf: Any) -> Any:
    """Return how many average rows of the leaf have this sum of hessians.

    It is what LightGBM holds `min_data_in_leaf` and the limits of categories against: rows that are hard to tell count
    for more, so that a few of them may be split off. Where hessians are constant these are the rows themselves.
    """
    return np.int64(hessian * rows_per_hessian(leaf) + 0.5)


@kernel(inline=True)
def rows_per_hessian(leaf: Any) -> Any:
    """Return how many rows of the leaf a unit of hessian stands for."""
    return leaf.count / max(1.0, np.float64(leaf.hessian))


@kernel(inline=True)
def soft(gradient: float, l1: float) -> Any:
    """Return a sum of gradients drawn towards zero by `l1`."""
    size = max(0.0, abs(gradient) - l1)
    return size if gradient > 0 else -size


@kernel(inline=True)
def output_of(
    gradient: float,
    hessian: float,
    count: float,
    l2: float,
    parent: float,
    low: float,
    high: float,
    rules: Any,
) -> Any:
    """Return the value a leaf of these sums should have."""
    value = -soft(gradient, rules.l1) / (hessian + l2)
    if rules.max_delta_step > 0:
        value = min(max(value, -rules.max_delta_step), rules.max_delta_step)
    if rules.path_smooth > 0:
        share = count / rules.path_smooth
        value = value * (share / (share + 1.0)) + parent / (share + 1.0)
    return min(max(value, low), high)


@kernel(inline=True)
def gain_of(gradient: float, hessian: float, value: float, l1: float, l2: float) -> Any:
    """Return twice the loss that a leaf of these sums saves when it answers `value`."""
    return -(2.0 * soft(gradient, l1) * value + (hessian + l2) * value * value)


@kernel()
def sides(gradient: int, hessian: int, count: int, l2: float, monotone: int, leaf: Any, rules: Any) -> Any:
    """Return (allowed, gain, left value, right value) of a split with these totals on the left."""
    gl, hl = gradient * leaf.gradient_unit, hessian * leaf.hessian_unit + TINY
    gr = (leaf.gradient - gradient) * leaf.gradient_unit
    hr = (leaf.hessian - hessian) * leaf.hessian_unit + TINY
    nl, nr = float(count), float(leaf.count - count)
    left = output_of(gl, hl, nl, l2, leaf.output, leaf.low, leaf.high, rules)
    right = output_of(gr, hr, nr, l2, leaf.output, leaf.low, leaf.high, rules)
    allowed = not (monotone > 0 and left > right) and not (monotone < 0 and left < right)
    gain = gain_of(gl, hl, left, rules.l1, l2) + gain_of(gr, hr, right, rules.l1, l2)
    return allowed, gain, left, right


@kernel()
def gain_unsplit(leaf: Any, rules: Any) -> Any:
    """Return what a leaf saves as it is, and what a split must save beyond."""
    g, h = leaf.gradient * leaf.gradient_unit, leaf.hessian * leaf.hessian_unit + TINY
    if rules.path_smooth > 0:
        value = leaf.output
    else:
        value = output_of(g, h, float(leaf.count), rules.l2, 0.0, -np.inf, np.inf, rules)
    return gain_of(g, h, value, rules.l1, rules.l2) + rules.min_gain


@kernel()
def answers(
    children: np.ndarray,
    l2: np.ndarray,
    sums: np.ndarray,
    counts: np.ndarray,
    bounds: np.ndarray,
    units: np.ndarray,
    rules: np.ndarray,
    weights: np.ndarray,
    values: np.ndarray,
) -> None:
    """Write what every node and leaf of a tree answers, from the exact sums of its leaves.

    Parameters
    ----------
    children : int64 array (n_nodes, 2)
        ``~leaf`` for leaves; every node stands after its parent.
    l2 : float64 array (n_nodes,)
        Regularisation of each node's children.
    sums, counts : int64 arrays (n_nodes + n_leaves, 2) and (n_nodes + n_leaves,)
        Nodes first, whose entries are written, then leaves. Gradients and hessians in `units`.
    bounds : float64 array (n_leaves, 2)
        What monotone constraints allow each leaf.
    units : float64 array (2,)
        What a unit of gradient, of hessian is worth.
    rules : record array (1,) of `RULES`
    weights, values : float64 arrays (n_nodes + n_leaves,)
        Hessians and answers, written.
    """
    n = children.shape[0]
    for node in range(n - 1, -1, -1):
        sums[node, 0] = sums[node, 1] = counts[node] = 0
        for side in range(2):
            child = children[node, side]
            at = n + ~child if child < 0 else child
            sums[node, 0] += sums[at, 0]
            sums[node, 1] += sums[at, 1]
            counts[node] += counts[at]
    for k in range(len(counts)):
        weights[k] = sums[k, 1] * units[1]
    plain = rules[:1].copy()
    plain[0].path_smooth = 0.0
    free = np.inf
    values[0] = output_of(
        sums[0, 0] * units[0], weights[0] + TINY, float(counts[0]), rules[0].l2, 0.0, -free, free, plain[0]
    )
    for node in range(n):
        for side in range(2):
            child = children[node, side]
            at = n + ~child if child < 0 else child
            low = bounds[~child, 0] if child < 0 else -free
            high = bounds[~child, 1] if child < 0 else free
            g, h = sums[at, 0] * units[0], weights[at] + TINY
            values[at] = output_of(g, h, float(counts[at]), l2[node], values[node], low, high, rules[0])
