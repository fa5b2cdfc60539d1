"""Rank-quantise feature values and turn ranks into threshold planes, one bit per row.

The rank of ``x`` among a column's sorted thresholds is the number of thresholds below it; then ``x > t[k]`` iff
``rank > k``, so ranks decide every split exactly. See Lucchese et al., "QuickScorer" (SIGIR 2015), for ordering
a forest's splits by feature and threshold.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.forest.bitplanes import PLANE, ROWS, STEP, bits_above, how_many_below
from scalable.kernels.jit import kernel
from scalable.kernels.memory import load_f32, load_f64, store_u64

CHUNK = STEP  # thresholds per chunk: a rank is 16 * high + low, both single bytes
MAX_THRESHOLDS = 255 * CHUNK
_U = np.uint64
ZERO = float(np.float32(1e-35))  # LightGBM's kZeroThreshold
RANK_NAN, RANK_ZERO, RANK_CATEGORY = 0, 1, 2  # column kinds: NaN is special; zero and NaN are special; codes


@kernel(inline=True)
def gather_column(place: Any, first: Any, n: Any, out: Any) -> None:
    """Copy `n` values from row `first` on to `out` as doubles; `place` is a PLACE."""
    stride = place.stride
    address = place.address + first * stride
    if place.is_float32:
        for i in range(n):
            out[i] = load_f32(np.uintp(address + i * stride))
    else:
        for i in range(n):
            out[i] = load_f64(np.uintp(address + i * stride))


def ladder_of(thresholds: np.ndarray) -> np.ndarray:
    """Return ascending thresholds, the last of each chunk, and the last of 16 of these, filled up with infinity."""
    chunks = len(thresholds) // CHUNK + 1  # the last one ends with infinity
    rungs = [thresholds]
    for count in (chunks * CHUNK, -(-chunks // CHUNK) * CHUNK, CHUNK):
        rungs[-1] = np.pad(rungs[-1], (0, count - len(rungs[-1])), constant_values=np.inf)
        rungs.append(rungs[-1][CHUNK - 1 :: CHUNK])
    return np.concatenate(rungs[:-1])


def rounded_down(values: np.ndarray) -> np.ndarray:
    """Return for each float64 the largest float32 that is not above it: a float32 exceeds both or neither."""
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
        below: np.ndarray = np.nextafter(narrow, np.float32(-np.inf))
    return np.where(narrow > values, below, narrow)


@kernel(inline=True)
def rank_column(x: Any, n: Any, ladders: Any, first: Any, column: Any, high: Any, low: Any) -> None:
    """Split the rank of each of `n` values into its `high` and `low` byte; `column` is a COLUMN.

    Its rank of a missing value is 0 to send it left at every split, `count` right, and the rank of zero for "NaN means
    zero". A value climbs down a ladder of sixteen rungs at a time, each a comparison of vectors; a search by halves
    took four times as long.

    Parameters
    ----------
    ladders : float64, or float32, rounded down, where all values are float32
        See `ladder_of`; the column's begins at `first`.
    """
    chunks = column.count // CHUNK + 1
    middle, size = chunks * CHUNK, np.uintp(ladders.itemsize)
    top = middle + (chunks + CHUNK - 1) // CHUNK * CHUNK
    base, step, deep = (
        np.uintp(ladders.ctypes.data) + np.uintp(first) * size,
        size * np.uintp(CHUNK),
        chunks > CHUNK,
    )
    second, third = base + np.uintp(middle) * size, base + np.uintp(top) * size
    miss, zero_too = np.uint64(column.missing), column.kind == RANK_ZERO
    for i in range(n):
        value, chunk = x[_U(i)], np.uint64(0)
        limit = ladders.dtype.type(value)
        if deep:
            chunk = how_many_below(third, limit)
        chunk = chunk * np.uint64(CHUNK) + how_many_below(second + np.uintp(chunk) * step, limit)
        rank = chunk * np.uint64(CHUNK) + how_many_below(base + np.uintp(chunk) * step, limit)
        missing = not abs(value) > ZERO if zero_too else np.isnan(value)
        rank = miss if missing else rank
        high[_U(i)], low[_U(i)] = rank >> np.uint64(4), rank & np.uint64(15)


@kernel(inline=True)
def rank_missing(x: Any, n: Any, column: Any, high: Any, low: Any) -> None:
    """Give missing values the rank of another column of the same thresholds, whose ranks are there already."""
    miss, zero_too = np.uint64(column.missing), column.kind == RANK_ZERO
    for i in range(n):
        value = x[_U(i)]
        missing = not abs(value) > ZERO if zero_too else np.isnan(value)
        if missing:
            high[_U(i)], low[_U(i)] = miss >> np.uint64(4), miss & np.uint64(15)


@kernel(inline=True)
def threshold_planes(high: Any, low: Any, count: Any, planes: Any) -> None:
    """Write the planes of which a column's decisions are made, `planes_of` so many.

    First those of chunks, "high byte at least h": all rows for 0, then 1, 2 ... to one behind the last chunk; then
    those of places, "low byte above l". The decision "rank > 16 h + l" is ``chunk[h + 1] | (chunk[h] & place[l])``. A
    plane for every threshold would take sixteen times as much and leave the cache.

    Parameters
    ----------
    high, low : uintp
        Addresses of `ROWS` rank bytes each.
    count : int
        Thresholds.
    planes : uintp
        Address of the column's first plane.
    """
    size, words = np.uintp(PLANE), ROWS // 64
    for w in range(words):
        store_u64(planes + np.uintp(8 * w), ~np.uint64(0))
    out = planes + size
    for chunk in range((count + CHUNK - 1) // CHUNK):
        for w in range(words):
            bits_above(high + np.uintp(64 * w), np.uint8(chunk), out + np.uintp(8 * w))
        out += size
    for k in range(min(count, CHUNK)):
        for w in range(words):
            bits_above(low + np.uintp(64 * w), np.uint8(k), out + np.uintp(8 * w))
        out += size
