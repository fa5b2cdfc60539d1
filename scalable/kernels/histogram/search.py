"""The best split of every feature of a leaf: numbers and categories apart, so that who has none compiles none."""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.histogram.gain import gain_unsplit, rows_per_hessian
from scalable.kernels.histogram.rounding import row_hash
from scalable.kernels.histogram.split_categories import split_categories
from scalable.kernels.histogram.split_numbers import complete_split, split_numbers
from scalable.kernels.jit import kernel


@kernel()
def search_numbers(
    histogram: np.ndarray,
    features: np.ndarray,
    chosen: np.ndarray,
    leaf: np.ndarray,
    rules: np.ndarray,
    key: int,
    splits: np.ndarray,
) -> Any:
    """Write the best split of each chosen numeric feature; return the feature with the best of all.

    Parameters
    ----------
    histogram : int64 array (3, n_bins of all features)
    features : record array (n_features,) of `FEATURE`
    chosen : int64 array (n_chosen,)
        Features to look at; others are passed over, as are categorical ones.
    leaf : record array (1,) of `LEAF`
    rules : record array (1,) of `RULES`
    key : uint64
        Of the seed, tree and node; draws the thresholds of ``extra_trees``.
    splits : record array (n_features,) of `SPLIT`
        Written for the chosen ones; rows and answers of its sides for the best of all only.

    Returns
    -------
    int
        The first of equals; -1 where none gains.
    """
    most, best, top = np.int64(0), np.int64(-1), 0.0
    for k in range(chosen.shape[0]):
        most = max(most, features[chosen[k]].n_bins)
    work, gains = np.empty((3, most), np.int64), np.empty(most + 1)
    bits = gains.view(np.int64)
    base, factor = gain_unsplit(leaf[0], rules[0]), rows_per_hessian(leaf[0])
    for k in range(chosen.shape[0]):
        f = chosen[k]
        if not features[f].categorical:
            draw = _draw(key, f)
            split_numbers(
                histogram, features[f], leaf[0], rules[0], draw, base, factor, work, gains, bits, splits[f]
            )
            if splits[f].kind and splits[f].gain > top:
                best, top = f, splits[f].gain
    if best >= 0:
        complete_split(histogram, features[best], leaf[0], rules[0], splits[best])
    return best


@kernel()
def search_categories(
    histogram: np.ndarray,
    features: np.ndarray,
    chosen: np.ndarray,
    leaf: np.ndarray,
    rules: np.ndarray,
    key: int,
    splits: np.ndarray,
) -> Any:
    """Do the same as `search_numbers` for the categorical features."""
    best, top = np.int64(-1), 0.0
    for k in range(chosen.shape[0]):
        f = chosen[k]
        if features[f].categorical:
            split_categories(histogram, features[f], leaf[0], rules[0], _draw(key, f), splits[f])
            if splits[f].kind and splits[f].gain > top:
                best, top = f, splits[f].gain
    return best


@kernel(inline=True)
def _draw(key: int, feature: int) -> np.int64:
    return np.int64(row_hash(np.uint64(key), np.uint64(feature)) >> np.uint64(1))
