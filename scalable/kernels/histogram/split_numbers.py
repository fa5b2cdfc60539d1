"""The best threshold of a numeric feature, from its histogram."""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.histogram.accumulate import COUNT, GRADIENT, HESSIAN
from scalable.kernels.histogram.gain import (
    NONE,
    NUMBER,
    TINY,
    sides,
)
from scalable.kernels.jit import kernel

_U = np.uint64


@kernel()
def split_numbers(
    histogram: np.ndarray,
    feature: Any,
    leaf: Any,
    rules: Any,
    draw: int,
    base: float,
    factor: float,
    work: np.ndarray,
    gains: np.ndarray,
    bits: np.ndarray,
    best: Any,
) -> None:
    """Write the best split of a numeric feature, but for what `complete_split` writes.

    Parameters
    ----------
    histogram : int64 array (3, n_bins of all features)
    feature, leaf, rules : records
        See `scalable.kernels.histogram.gain`.
    draw : int
        With ``extra_trees``, a random number that chooses the only threshold looked at.
    base, factor : float
        `gain_unsplit` and `rows_per_hessian` of the leaf.
    work : int64 array (3, most bins)
    gains : float64 array (more than most bins,)
        The last one is working space.
    bits : int64 array
        The same memory.
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
    _sums_below(histogram, first, n, factor, work)
    only = draw % n if rules.extra_trees else -1
    plain = rules.l1 == 0 and rules.max_delta_step <= 0 and rules.path_smooth <= 0 and not rules.constrained
    missing = first + n_bins - 1
    both = feature.missing and histogram[COUNT, missing] > 0
    for turn in range(2 if both else 1):
        missing_left = 1 - turn if both else 1  # where nobody is missing, left, as LightGBM has it
        if both and missing_left:
            mg, mh = histogram[GRADIENT, missing], histogram[HESSIAN, missing]
            mc, stop = np.int64(mh * factor + 0.5), numeric - 1
        else:
            mg, mh, mc, stop = np.int64(0), np.int64(0), np.int64(0), n if both else numeric - 1
        low, high = np.int64(0), np.int64(stop)
        if plain:
            low, high = _allowed(work, mh, mc, stop, leaf, rules)
            _plain_gains(work, mg, mh, low, high, leaf, rules, gains)
        else:
            _gains(work, mg, mh, mc, stop, feature.monotone, leaf, rules, gains)
        top = -np.inf
        if low <= only < high:
            top = gains[only]
        elif only < 0 and plain:
            top = _largest(bits, gains, low, high)
        elif only < 0:
            for t in range(stop):
                top = max(top, gains[t])
        if top > base and top - base > best.gain:
            # Of equals the first where missing values go right, else the last: the order in which LightGBM looks.
            at, step = (high - 1, -1) if missing_left else (low, 1)
            while gains[at] != top or (only >= 0 and at != only):
                at += step
            best.kind, best.gain, best.threshold, best.missing_left = NUMBER, top - base, at, missing_left
            best.gradient, best.hessian = work[0, at] + mg, work[1, at] + mh


@kernel()
def complete_split(histogram: np.ndarray, feature: Any, leaf: Any, rules: Any, best: Any) -> None:
    """Write the exact rows on the left of a numeric feature's best split, and what both sides should answer."""
    first, missing = feature.first, feature.first + feature.n_bins - 1
    best.count = histogram[COUNT, missing] if feature.missing and best.missing_left else 0
    for b in histogram[COUNT, first : first + best.threshold + 1]:
        best.count += b
    found = sides(best.gradient, best.hessian, best.count, rules.l2, 0, leaf, rules)
    best.left_output, best.right_output, best.l2 = found[2], found[3], rules.l2


@kernel(inline=True)
def _sums_below(histogram: np.ndarray, first: int, n: int, factor: float, work: np.ndarray) -> None:
    """Write of every threshold the sums of gradients, of hessians and of rows (`rows_like`) up to it."""
    g = h = rows = np.int64(0)
    start = _U(first)
    for t in range(_U(n)):
        hessian = histogram[HESSIAN, start + t]
        g += histogram[GRADIENT, start + t]
        h += hessian
        rows += np.int64(hessian * factor + 0.5)
        work[GRADIENT, t], work[HESSIAN, t], work[COUNT, t] = g, h, rows


@kernel(inline=True)
def _allowed(work: np.ndarray, mh: int, mc: int, stop: int, leaf: Any, rules: Any) -> Any:
    """Return the first threshold that leaves enough on both sides, and the one behind the last: sums only rise."""
    low, high = np.int64(0), np.int64(stop)
    hessian, count, unit = leaf.hessian - mh, leaf.count - mc, leaf.hessian_unit
    while low < high and (
        work[COUNT, low] + mc < rules.min_data or (work[HESSIAN, low] + mh) * unit < rules.min_hessian
    ):
        low += 1
    while low < high and (
        count - work[COUNT, high - 1] < rules.min_data
        or (hessian - work[HESSIAN, high - 1]) * unit < rules.min_hessian
    ):
        high -= 1
    return low, high


@kernel(inline=True)
def _largest(bits: np.ndarray, gains: np.ndarray, low: int, high: int) -> Any:
    """Return the largest of some numbers, 0 where none is above: as integers, which LLVM compares many at a time."""
    top, last = np.int64(0), _U(gains.shape[0] - 1)
    for t in range(_U(low), _U(high)):
        top = max(top, bits[t])  # numbers above 0 are ordered as their bits are, others' are below 0
    bits[last] = top
    return gains[last]


@kernel(inline=True)
def _plain_gains(
    work: np.ndarray, mg: int, mh: int, low: int, high: int, leaf: Any, rules: Any, gains: np.ndarray
) -> None:
    """Write the gain of thresholds where `lambda_l2` is the only regularisation; LLVM vectorises this."""
    l2, gu, hu = rules.l2 + TINY, leaf.gradient_unit, leaf.hessian_unit
    # The sums are converted once: AVX2 has no instruction for it.
    more_g, more_h = np.float64(mg), np.float64(mh)
    gradient, hessian = np.float64(leaf.gradient - mg), np.float64(leaf.hessian - mh)
    for t in range(_U(low), _U(high)):
        g, h = np.float64(work[GRADIENT, t]), np.float64(work[HESSIAN, t])
        gl, gr = (g + more_g) * gu, (gradient - g) * gu
        a, b = (h + more_h) * hu + l2, (hessian - h) * hu + l2
        gains[t] = (gl * gl * b + gr * gr * a) / (a * b)  # one division for two fractions


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
