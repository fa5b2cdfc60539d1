"""Rank-quantise feature values and turn ranks into threshold planes, one bit per row.

The rank of ``x`` among a column's sorted thresholds is the number of thresholds below it; then ``x > t[k]`` iff
``rank > k``, so ranks decide every split exactly. See Lucchese et al., "QuickScorer" (SIGIR 2015), for ordering
a forest's splits by feature and threshold.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.forest.bitplanes import PLANE, ROWS, bits_above, bits_equal, combine
from scalable.kernels.jit import kernel
from scalable.kernels.memory import load_f32, load_f64

CHUNK = 16  # thresholds per chunk: a rank is 16 * high + low, both single bytes
MAX_THRESHOLDS = 255 * CHUNK
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


@kernel(inline=True)
def rank_column(x: Any, n: Any, thresholds: Any, column: Any, high: Any, low: Any) -> None:
    """Split the rank of each of `n` values into its `high` and `low` byte; `column` is a COLUMN.

    Its rank of a missing value is 0 to send it left at every split, `count` right, and the rank of zero for "NaN means
    zero". Rows come in fours so that four searches overlap.
    """
    count = column.count
    base = np.uint64(column.first)
    one = np.uint64(1)
    depth = np.uint64(0)
    while (one << depth) <= np.uint64(count):
        depth += one
    for i in range(0, n, 4):
        x0, x1, x2, x3 = x[i], x[i + 1], x[i + 2], x[i + 3]
        r0 = r1 = r2 = r3 = np.uint64(0)
        bit = depth
        while bit > np.uint64(0):
            bit -= one
            at = base + (one << bit) - one
            # A shifted comparison, not a conditional: LLVM would make an unpredictable branch of that.
            r0 += np.uint64(thresholds[at + r0] < x0) << bit
            r1 += np.uint64(thresholds[at + r1] < x1) << bit
            r2 += np.uint64(thresholds[at + r2] < x2) << bit
            r3 += np.uint64(thresholds[at + r3] < x3) << bit
        miss = np.uint64(column.missing)
        if column.kind == RANK_ZERO:
            r0 = miss if not abs(x0) > ZERO else r0
            r1 = miss if not abs(x1) > ZERO else r1
            r2 = miss if not abs(x2) > ZERO else r2
            r3 = miss if not abs(x3) > ZERO else r3
        else:
            r0 = miss if np.isnan(x0) else r0
            r1 = miss if np.isnan(x1) else r1
            r2 = miss if np.isnan(x2) else r2
            r3 = miss if np.isnan(x3) else r3
        high[i], low[i] = r0 >> np.uint64(4), r0 & np.uint64(15)
        high[i + 1], low[i + 1] = r1 >> np.uint64(4), r1 & np.uint64(15)
        high[i + 2], low[i + 2] = r2 >> np.uint64(4), r2 & np.uint64(15)
        high[i + 3], low[i + 3] = r3 >> np.uint64(4), r3 & np.uint64(15)


@kernel(inline=True)
def threshold_planes(high: Any, low: Any, count: Any, work: Any, planes: Any) -> None:
    """Write plane ``k``, "rank > k", for each of a column's `count` thresholds.

    Parameters
    ----------
    high, low : uintp
        Addresses of `ROWS` rank bytes each.
    work : uintp
        Address of 18 scratch planes.
    planes : uintp
        Address of the column's first plane.
    """
    size = np.uintp(PLANE)
    words = ROWS // 64
    above, within = work + np.uintp(16) * size, work + np.uintp(17) * size
    for k in range(min(count, CHUNK)):
        for w in range(words):
            bits_above(low + np.uintp(64 * w), np.uint8(k), work + np.uintp(k) * size + np.uintp(8 * w))
    for chunk in range((count + CHUNK - 1) // CHUNK):
        for w in range(words):
            bits_above(high + np.uintp(64 * w), np.uint8(chunk), above + np.uintp(8 * w))
            bits_equal(high + np.uintp(64 * w), np.uint8(chunk), within + np.uintp(8 * w))
        out = planes + np.uintp(chunk * CHUNK) * size
        for k in range(min(count - chunk * CHUNK, CHUNK)):
            combine(above, within, work + np.uintp(k) * size, out + np.uintp(k) * size)
