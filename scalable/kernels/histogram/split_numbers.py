"""The best threshold of a numeric feature, from its histogram."""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.histogram.accumulate import COUNT, GRADIENT, HESSIAN
from scalable.kernels.histogram.gain import NONE, NUMBER, TINY, gain_unsplit, rows_like, sides
from scalable.kernels.jit import kernel


@kernel()
def split_numbers(
    histogram: np.ndarray,
    feature: Any,
    leaf: Any,
    rules: Any,
    draw: int,
    work: np.ndarray,
    gains: np.ndarray,
    best: Any,
) -> None:
    """Write the best split of a numeric feature.

    Parameters
    ----------
    histogram : int64 array (3, n_bins of all features)
    feature, leaf, rules : records
        See `scalable.kernels.histogram.gain`.
    draw : int
        With ``extra_trees``, a random number that chooses the only threshold looked at.
    work : int64 array (3, most bins)
    gains : float64 array (most bins,)
    best : record
        Written.
    """
    best.kind = NONE
    best.gain = -np.inf
    first, n_bins = feature.first, feature.n_bins
    numeric = n_bins - feature.missing
    # The last bin can be the last one on the left only where missing values are left for the right.
    n = numeric if feature.missing else numeric - 1
    if n < 1:
        return
    for k in range(2):
        total, own, below = np.int64(0), histogram[k, first : first + n], work[k]
        for t in range(n):
            total += own[t]
            below[t] = total
    total, own, below = np.int64(0), histogram[HESSIAN, first : first + n], work[COUNT]
    for t in range(n):  # apart from the sums, which are one by one: LLVM makes vectors of this
        below[t] = rows_like(own[t], leaf)
    for t in range(n):
        total += below[t]
        below[t] = total
    only = draw % n if rules.extra_trees else -1
    base = gain_unsplit(leaf, rules)
    plain = rules.l1 == 0 and rules.max_delta_step <= 0 and rules.path_smooth <= 0 and not rules.constrained
    missing = first + n_bins - 1
    both = feature.missing and histogram[COUNT, missing] > 0
    for turn in range(2 if both else 1):
        missing_left = 1 - turn if both else 1  # where nobody is missing, left, as LightGBM has it
        if both and missing_left:
            mg, mh = histogram[GRADIENT, missing], histogram[HESSIAN, missing]
            mc, stop = rows_like(mh, leaf), numeric - 1
        else:
            mg, mh, mc, stop = np.int64(0), np.int64(0), np.int64(0), n if both else numeric - 1
        if plain:
            _plain_gains(work, mg, mh, mc, stop, leaf, rules, gains)
        else:
            _gains(work, mg, mh, mc, stop, feature.monotone, leaf, rules, gains)
        top = -np.inf
        if 0 <= only < stop:
            top = gains[only]
        elif only < 0 and plain:
            top = _largest(gains, stop)
        elif only < 0:
            for t in range(stop):
                top = max(top, gains[t])
        if top > base and top - base > best.gain:
            at = stop - 1
            while gains[at] != top or (only >= 0 and at != only):  # of equals the last
                at -= 1
            best.kind, best.gain, best.threshold, best.missing_left = NUMBER, top - base, at, missing_left
            best.gradient, best.hessian = work[0, at] + mg, work[1, at] + mh
    if best.kind == NUMBER:
        best.count = histogram[COUNT, missing] if both and best.missing_left else 0
        for b in histogram[COUNT, first : first + best.threshold + 1]:
            best.count += b
        found = sides(best.gradient, best.hessian, best.count, rules.l2, 0, leaf, rules)
        best.left_output, best.right_output, best.l2 = found[2], found[3], rules.l2


@kernel(inline=True)
def _largest(gains: np.ndarray, n: int) -> Any:
    """Return the largest of n numbers, 0 where none is above: as integers, which LLVM compares many at a time."""
    bits, top = gains.view(np.int64), np.int64(0)
    for t in range(n):
        top = max(top, bits[t])  # numbers above 0 are ordered as their bits are, others' are below 0
    return np.array([top]).view(np.float64)[0]


@kernel(inline=True)
def _plain_gains(
    work: np.ndarray, mg: int, mh: int, mc: int, stop: int, leaf: Any, rules: Any, gains: np.ndarray
) -> None:
    """Write the gain of every threshold where `lambda_l2` is the only regularisation; LLVM vectorises this."""
    gradient, hessian, count = leaf.gradient - mg, leaf.hessian - mh, leaf.count - mc
    gu, hu, l2 = leaf.gradient_unit, leaf.hessian_unit, rules.l2 + TINY
    least, min_hessian = rules.min_data, rules.min_hessian
    for t in range(stop):
        gl, gr = (work[0, t] + mg) * gu, (gradient - work[0, t]) * gu
        hl, hr = (work[1, t] + mh) * hu, (hessian - work[1, t]) * hu
        enough = (work[2, t] + mc >= least) & (count - work[2, t] >= least)
        enough &= (hl >= min_hessian) & (hr >= min_hessian)
        a, b = hl + l2, hr + l2
        gain = (gl * gl * b + gr * gr * a) / (a * b)  # one division for two fractions
        gains[t] = gain if enough else -np.inf


@kernel(inline=True)
def _gains(
    work: np.ndarray,
    mg: int,
    mh: int,
    mc: int,
    stop: int,
    monotone: int,
    leaf: Any,
    rules: Any,
    gains: np.ndarray,
) -> None:
    """Write the gain of every threshold under all rules."""
    for t in range(stop):
        c = work[2, t] + mc
        hl, hr = (work[1, t] + mh) * leaf.hessian_unit, (leaf.hessian - mh - work[1, t]) * leaf.hessian_unit
        enough = min(c, leaf.count - c) >= rules.min_data and min(hl, hr) >= rules.min_hessian
        gains[t] = -np.inf
        if enough:
            found = sides(work[0, t] + mg, work[1, t] + mh, c, rules.l2, monotone, leaf, rules)
            gains[t] = found[1] if found[0] else -np.inf
