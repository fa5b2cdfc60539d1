"""The best set of categories to send left, from a feature's histogram.

A few categories are tried one against the rest; more are sorted by their gradients over their hessians, and the
beginnings and the ends of that order are tried (Fisher, 1958). Bin 0 holds missing, rare and unknown categories, which
always go right.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.histogram.accumulate import COUNT, GRADIENT, HESSIAN
from scalable.kernels.histogram.gain import (
    FALLING,
    NONE,
    ONE_CATEGORY,
    RISING,
    gain_unsplit,
    rows_like,
    sides,
)
from scalable.kernels.jit import kernel


@kernel()
def sorted_categories(histogram: np.ndarray, feature: Any, leaf: Any, rules: Any) -> Any:
    """Return the bins of at least `cat_smooth` rows (`rows_like`), by rising gradient over hessian."""
    first, used = feature.first, np.empty(feature.n_bins, np.int64)
    n = 0
    for b in range(1, feature.n_bins):
        if rows_like(histogram[HESSIAN, first + b], leaf) >= max(1.0, rules.cat_smooth):
            used[n] = b
            n += 1
    key = np.empty(n)
    for k in range(n):
        at = first + used[k]
        weight = histogram[HESSIAN, at] * leaf.hessian_unit + rules.cat_smooth
        key[k] = histogram[GRADIENT, at] * leaf.gradient_unit / weight if weight > 0 else 0.0
    _sort(key, used[:n])
    return used[:n]


@kernel(inline=True)
def _sort(key: np.ndarray, bins: np.ndarray) -> None:
    """Sort `bins` by `key`, equal keys by bin (Shell, 1959): Numba takes ten seconds to compile its own sort."""
    n, gap = len(key), 1
    while gap < n // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(gap, n):
            k, b, j = key[i], bins[i], i
            while j >= gap and (key[j - gap] > k or (key[j - gap] == k and bins[j - gap] > b)):
                key[j], bins[j] = key[j - gap], bins[j - gap]
                j -= gap
            key[j], bins[j] = k, b
        gap //= 3


@kernel()
def split_categories(
    histogram: np.ndarray, feature: Any, leaf: Any, rules: Any, draw: int, best: Any
) -> None:
    """Write the best split of a categorical feature; parameters as for `split_numbers`."""
    best.kind = NONE
    best.gain = -np.inf
    if feature.n_bins <= rules.max_cat_to_onehot:
        _one_against_rest(histogram, feature, leaf, rules, draw, best)
    else:
        _sorted_sets(histogram, feature, leaf, rules, draw, best)
    if best.kind != NONE:
        found = sides(best.gradient, best.hessian, best.count, best.l2, 0, leaf, rules)
        best.left_output, best.right_output = found[2], found[3]


@kernel()
def _one_against_rest(
    histogram: np.ndarray, feature: Any, leaf: Any, rules: Any, draw: int, best: Any
) -> None:
    only = 1 + draw % max(1, feature.n_bins - 1) if rules.extra_trees else -1
    base = gain_unsplit(leaf, rules)
    for b in range(1, feature.n_bins):
        at = feature.first + b
        g, h = histogram[GRADIENT, at], histogram[HESSIAN, at]
        c, least = rows_like(h, leaf), min(h, leaf.hessian - h) * leaf.hessian_unit
        if min(c, leaf.count - c) < rules.min_data or least < rules.min_hessian or only not in (-1, b):
            continue
        gain = sides(g, h, c, rules.l2, 0, leaf, rules)[1] - base
        if gain > max(0.0, best.gain):
            best.kind, best.gain, best.threshold, best.l2 = ONE_CATEGORY, gain, b, rules.l2
            best.gradient, best.hessian, best.count = g, h, histogram[COUNT, at]


@kernel()
def _sorted_sets(histogram: np.ndarray, feature: Any, leaf: Any, rules: Any, draw: int, best: Any) -> None:
    order = sorted_categories(histogram, feature, leaf, rules)
    most = min(rules.max_cat_threshold, (len(order) + 1) // 2)
    only = draw % max(1, most) if rules.extra_trees else -1
    base, l2 = gain_unsplit(leaf, rules), rules.l2 + rules.cat_l2
    for kind in (RISING, FALLING):
        g = h = c = group = rows = np.int64(0)
        for i in range(most):
            at = feature.first + order[i if kind == RISING else len(order) - 1 - i]
            g += histogram[GRADIENT, at]
            h += histogram[HESSIAN, at]
            rows += histogram[COUNT, at]
            c += rows_like(histogram[HESSIAN, at], leaf)
            group += rows_like(histogram[HESSIAN, at], leaf)
            if c < rules.min_data or h * leaf.hessian_unit < rules.min_hessian:
                continue
            rest = leaf.count - c
            if rest < rules.min_data or rest < rules.min_data_per_group:
                break
            if (leaf.hessian - h) * leaf.hessian_unit < rules.min_hessian:
                break
            if group < rules.min_data_per_group:
                continue
            group = np.int64(0)
            if only not in (-1, i):
                continue
            gain = sides(g, h, c, l2, 0, leaf, rules)[1] - base
            if gain > max(0.0, best.gain):
                best.kind, best.gain, best.threshold, best.l2 = kind, gain, i, l2
                best.gradient, best.hessian, best.count = g, h, rows


@kernel()
def left_categories(
    histogram: np.ndarray, feature: Any, leaf: Any, rules: Any, kind: int, threshold: int
) -> Any:
    """Return the bins that a split of kind `ONE_CATEGORY`, `RISING` or `FALLING` sends left.

    Parameters
    ----------
    histogram, feature, leaf, rules
        As the split was found with.
    kind, threshold : int
        Of the split.
    """
    if kind == ONE_CATEGORY:
        alone = np.empty(1, np.int64)
        alone[0] = threshold
        return alone
    order = sorted_categories(histogram, feature, leaf, rules)
    return order[: threshold + 1].copy() if kind == RISING else order[len(order) - 1 - threshold :].copy()
