"""Exact order statistics of groups of rows, over all parts and workers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.boosting.native.peers import Peers
from scalable.kernels.histogram.select import (
    DIGIT_BITS,
    NEAR,
    NOBODY,
    SHIFTS,
    count_digits,
    float_of,
    neighbours,
    ordered_bits,
)

Array = NDArray[Any]


def order_statistics(
    values: Sequence[NDArray[np.float64]],
    groups: Sequence[NDArray[np.uint32]],
    ranks: NDArray[np.int64],
    peers: Peers,
) -> NDArray[np.float64]:
    """Return one order statistic of every group.

    Parameters
    ----------
    values, groups : sequence of arrays (n_rows,)
        Of each part; rows of larger numbers than there are groups are passed over.
    ranks : int64 array (n_groups,)
        Which, counted from the smallest at 0; the same on all workers, and below the group's rows.
    peers : Peers
        Who holds the other rows.
    """
    none = [np.empty(0, np.int64) for _ in values]
    found, _ = _select(_keys(values), groups, none, len(ranks), lambda _: ranks, peers)
    return _values(found)


def _keys(values: Sequence[Array]) -> list[NDArray[np.uint64]]:
    keys = [np.empty(len(part), np.uint64) for part in values]
    for part, key in zip(values, keys, strict=True):
        ordered_bits(np.ascontiguousarray(part, np.float64), key)
    return keys


def _values(keys: NDArray[np.uint64]) -> NDArray[np.float64]:
    out = np.empty(len(keys))
    float_of(keys, out)
    return out


def _select(
    keys: Sequence[NDArray[np.uint64]],
    groups: Sequence[NDArray[np.uint32]],
    units: Sequence[NDArray[np.int64]],
    n_groups: int,
    ranks_of: Callable[[NDArray[np.int64]], NDArray[np.int64]],
    peers: Peers,
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return of every group the first key up to which more than a rank is counted, and what of it the key itself holds.

    Rows count one each, or their `units`; `ranks_of` tells the ranks once the groups' totals are known.
    """
    found, left = np.zeros(n_groups, np.uint64), np.zeros(n_groups, np.int64)
    every = np.arange(n_groups)
    for shift in SHIFTS:
        counts = np.zeros((n_groups, 2**DIGIT_BITS), np.int64)
        for key, group, unit in zip(keys, groups, units, strict=True):
            count_digits(key, group, unit, found, shift, counts)
        summed = peers.total(counts).cumsum(axis=1)
        if shift == SHIFTS[0]:
            left = ranks_of(summed[:, -1]).copy()
        digit = (summed <= left[:, None]).sum(axis=1)
        digit = np.minimum(digit, 2**DIGIT_BITS - 1)  # of groups without rows
        left -= np.where(digit > 0, summed[every, digit - 1], 0)
        found = (found << np.uint64(DIGIT_BITS)) | digit.astype(np.uint64)
    return found, left


def percentiles(
    values: Sequence[NDArray[np.float64]],
    groups: Sequence[NDArray[np.uint32]],
    counts: NDArray[np.int64],
    share: float,
    peers: Peers,
) -> NDArray[np.float64]:
    """Return a percentile of every group as LightGBM interpolates it; 0 for a group without rows.

    Parameters
    ----------
    values, groups, peers
        As for `order_statistics`.
    counts : int64 array (n_groups,)
        Rows of each group, over all workers.
    share : float
        Between 0 and 1.
    """
    place = (1.0 - share) * counts  # counted from the largest down
    whole = place.astype(np.int64)
    above = np.clip(counts - whole, 0, np.maximum(counts - 1, 0))
    below = np.clip(counts - whole - 1, 0, np.maximum(counts - 1, 0))
    high = order_statistics(values, groups, above, peers)
    low = order_statistics(values, groups, below, peers)
    return np.where(counts > 0, high - (high - low) * (place - whole), 0.0)


def weighted_percentiles(
    values: Sequence[Array],
    weights: Sequence[Array],
    groups: Sequence[NDArray[np.uint32]],
    n_groups: int,
    share: float,
    peers: Peers,
) -> NDArray[np.float64]:
    """Return a percentile of every group's weighted values as LightGBM interpolates it; 0 for a group without weight.

    Of the rows by value, and of equal values by weight, it takes the first up to which more than `share` of the weight
    is. Weights add up as integers of 61 bits, so that nobody can tell how the rows were dealt.

    Parameters
    ----------
    values, groups, peers
        As for `order_statistics`.
    weights : sequence of float32 arrays (n_rows,)
        None below 0.
    n_groups : int
    share : float
        Between 0 and 1.
    """
    heaviest = peers.most([max((float(part.max()) for part in weights if len(part)), default=0.0)])[0]
    n_rows = peers.whole(sum(len(part) for part in values))
    scale = 2.0 ** (61 - math.frexp(heaviest)[1] - n_rows.bit_length())
    units = [np.rint(part.astype(np.float64) * scale).astype(np.int64) for part in weights]
    keys, totals, wanted = _keys(values), np.zeros(n_groups, np.int64), np.zeros(n_groups, np.int64)

    def ranks_of(found: NDArray[np.int64]) -> NDArray[np.int64]:
        totals[:] = found
        wanted[:] = np.clip((found * share).astype(np.int64), 0, np.maximum(found - 1, 0))
        return wanted

    found, left = _select(keys, groups, units, n_groups, ranks_of, peers)
    near = np.zeros(n_groups, NEAR)
    near["above"] = NOBODY
    for name in ("above_weight", "least", "second"):
        near[name] = np.inf
    for key, weight, group in zip(keys, weights, groups, strict=True):
        neighbours(key, weight, group, found, near)
    near = _nearest([np.frombuffer(part, NEAR) for part in peers.gather(near.tobytes())])
    value, before = _values(found), _values(near["below"].copy())
    least, second = near["least"].astype(np.float64), near["second"].astype(np.float64)
    following = np.where(np.isfinite(second), second, near["above_weight"])
    own = np.where(np.isfinite(least), np.rint(least * scale), 0.0)
    # LightGBM draws a line from the row before only where one stands there, another behind, and that one weighs 1.
    inner = (left < own) & (near["below"] > 0) & np.isfinite(following) & (following >= 1.0)
    summed = (wanted - left + own) / scale
    step = np.where(inner, following, 1.0)
    line = (totals * share / scale - summed) / step * (value - np.where(inner, before, value)) + before
    return np.where(totals > 0, np.where(inner, line, value), 0.0)


def _nearest(found: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Return what is nearest of several workers' neighbours."""
    out = found[0].copy()
    for other in found[1:]:
        closer = (other["above"] < out["above"]) | (
            (other["above"] == out["above"]) & (other["above_weight"] < out["above_weight"])
        )
        for name in ("above", "above_weight"):
            out[name] = np.where(closer, other[name], out[name])
        out["below"] = np.maximum(out["below"], other["below"])
        both = np.sort([out["least"], out["second"], other["least"], other["second"]], axis=0)
        out["least"], out["second"] = both[0], both[1]
    return out


def percentiles_of_rows(
    values: Sequence[Array],
    weights: Sequence[Array],
    groups: Sequence[NDArray[np.uint32]],
    counts: NDArray[np.int64],
    share: float,
    peers: Peers,
) -> NDArray[np.float64]:
    """Return a percentile of every group, weighted where the rows are; arguments as for `percentiles`."""
    if not any(len(part) for part in weights):
        return percentiles(values, groups, counts, share, peers)
    return weighted_percentiles(values, weights, groups, len(counts), share, peers)
