"""Exact order statistics of groups of rows, over all parts and workers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.boosting.native.peers import Peers
from scalable.errors import UsageError
from scalable.kernels.histogram.select import DIGIT_BITS, SHIFTS, count_digits, float_of, ordered_bits

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
    keys = [np.empty(len(part), np.uint64) for part in values]
    for part, key in zip(values, keys, strict=True):
        ordered_bits(np.ascontiguousarray(part, np.float64), key)
    found, left = np.zeros(len(ranks), np.uint64), ranks.copy()
    every = np.arange(len(ranks))
    for shift in SHIFTS:
        counts = np.zeros((len(ranks), 2**DIGIT_BITS), np.int64)
        for key, group in zip(keys, groups, strict=True):
            count_digits(key, group, found, shift, counts)
        summed = peers.total(counts).cumsum(axis=1)
        digit = (summed <= left[:, None]).sum(axis=1)
        digit = np.minimum(digit, 2**DIGIT_BITS - 1)  # of groups without rows
        left -= np.where(digit > 0, summed[every, digit - 1], 0)
        found = (found << np.uint64(DIGIT_BITS)) | digit.astype(np.uint64)
    out = np.empty(len(ranks))
    float_of(found, out)
    return out


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


def weighted_percentile(values: Array, weights: Array, share: float) -> float:
    """Return a percentile of weighted values as LightGBM interpolates it; their order does not matter.

    Parameters
    ----------
    values : float64 array (n,)
    weights : float array (n,)
    share : float
        Between 0 and 1.
    """
    order = np.lexsort((weights, values))  # of equal values by weight, so that sums come in one order
    values, summed = values[order], np.cumsum(weights[order], dtype=np.float64)
    if not len(values):
        return 0.0
    wanted = summed[-1] * share
    at = min(int(np.searchsorted(summed, wanted, side="right")), len(values) - 1)
    if at in (0, len(values) - 1):
        return float(values[at])
    step = summed[at + 1] - summed[at]
    if step < 1.0:
        return float(values[at])
    return float((wanted - summed[at]) / step * (values[at] - values[at - 1]) + values[at - 1])


def percentiles_of_rows(
    values: Sequence[Array],
    weights: Sequence[Array],
    groups: Sequence[NDArray[np.uint32]],
    counts: NDArray[np.int64],
    share: float,
    peers: Peers,
) -> NDArray[np.float64]:
    """Return a percentile of every group, weighted where the rows are; other arguments as for `percentiles`.

    Raises
    ------
    UsageError
        With weights and several workers: sums of weights in the order of values would have to travel.
    """
    if not any(len(part) for part in weights):
        return percentiles(values, groups, counts, share, peers)
    if peers.n_workers > 1:
        raise UsageError(
            "percentiles of weighted rows (objectives regression_l1 and quantile) need one worker; use n_workers=1"
        )
    value, weight, group = (np.concatenate(parts) for parts in (values, weights, groups))
    order = np.argsort(group, kind="stable")
    edges = np.searchsorted(group[order], np.arange(len(counts) + 1))
    own = [order[edges[k] : edges[k + 1]] for k in range(len(counts))]
    return np.array([weighted_percentile(value[rows], weight[rows], share) for rows in own])
