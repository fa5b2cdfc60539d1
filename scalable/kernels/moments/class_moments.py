"""Weights, means and squares about the means of columns within classes: what naive Bayes learns of a block."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from scalable.kernels.jit import kernel
from scalable.kernels.linear.raw_tiles import fetched, place_of_tile
from scalable.kernels.linear.records import FloatColumns
from scalable.kernels.memory import as_pointer
from scalable.kernels.parquet.tiles import TileColumns

TILE_ROWS = 1024  # a column's tile and those of two masks stay in the nearest cache


@kernel()
def class_moments(columns: np.ndarray, label: np.ndarray, weight: np.ndarray, out: np.ndarray) -> None:
    """Write the moments of every column within every class, missing values left out.

    Parameters
    ----------
    columns : float64 array of shape (d, n)
        Values; NaN is missing.
    label : float64 array of shape (n,)
        Index of each row's class.
    weight : float64 array of shape (n,) or (0,)
        Weights; empty where all are 1.
    out : float64 array of shape (3, n_classes + 1, d)
        Weight, mean, squares about the mean; last those of all rows, without weights.
    """
    last = out.shape[1] - 1
    total, mean, square = np.empty(last + 1), np.empty(last + 1), np.empty(last + 1)
    for j in range(columns.shape[0]):
        total[:], mean[:], square[:] = 0.0, 0.0, 0.0
        for i in range(label.size):
            v = columns[j, i]
            if not np.isnan(v):
                k, w = np.uint64(label[i]), weight[i] if weight.size else 1.0
                total[k] += w
                mean[k] += w * v
                total[last] += 1.0
                mean[last] += v
        for c in range(last + 1):
            mean[c] /= total[c] if total[c] > 0.0 else 1.0
        for i in range(label.size):
            v = columns[j, i]
            if not np.isnan(v):
                k, w = np.uint64(label[i]), weight[i] if weight.size else 1.0
                square[k] += w * (v - mean[k]) ** 2
                square[last] += (v - mean[last]) ** 2
        out[0, :, j], out[1, :, j], out[2, :, j] = total, mean, square


@kernel(fastmath=True, inline=True)
def _about(x: Any, mask: Any, pivot: float) -> Any:
    """Return the sums of the values of a tile less `pivot`, and of their squares, each counted by its mask."""
    first = second = 0.0
    for i in range(x.size):
        apart = np.float64(x[i]) - pivot
        counted = apart * mask[i]
        first += counted
        second += counted * apart
    return first, second


@kernel(fastmath=True)
def masked_moments(
    raw: FloatColumns,
    tiles: TileColumns | None,
    like: np.ndarray,
    label: np.ndarray,
    weight: np.ndarray,
    stored: np.ndarray,
    out: np.ndarray,
) -> bool:
    """Add the moments of columns within classes, from where they are, a tile at a time and without a branch.

    Sums are of differences to the mean of the rows before, so that a column far from zero keeps its digits.

    Parameters
    ----------
    raw, tiles
        The columns; `tiles` where they are compressed.
    like : array of shape (0,)
        Of their dtype: float32, or float64 where they are in memory.
    label : float64 array of shape (n,)
        Index of each row's class.
    weight : float64 array of shape (n,) or (0,)
        Weights; empty where all are 1.
    stored : float32 array of shape (`scalable.kernels.linear.raw_tiles.room_of_tiles`,)
        Work space.
    out : float64 array of shape (3, n_classes, d), or (3, n_classes + 1, d) with weights
        Weight, mean and squares about the mean of the rows before; changed. Last those of all rows, without weights.

    Returns
    -------
    bool
        Whether all values could be had and were finite; otherwise `out` is of no use.
    """
    n_masks, n_rows, width = out.shape[1], label.size, like.itemsize
    masks, totals = np.ones((n_masks, TILE_ROWS)), np.empty(n_masks)
    widths = np.full(raw.offsets.size, 4)
    first: Any = np.int64(0)
    last: Any = np.int64(0)
    for start in range(0, n_rows, TILE_ROWS):
        stop = min(start + TILE_ROWS, n_rows)
        first, last = fetched(raw, tiles, start, stop, n_rows, widths, first, last, stored)
        if last < 0:
            return False
        for k in range(n_masks):
            mask = masks[k, : stop - start]
            if k < n_masks - 1 or not weight.size:
                for i in range(stop - start):
                    mask[i] = 1.0 if label[start + i] == k else 0.0
                for i in range(stop - start if weight.size else 0):
                    mask[i] *= weight[start + i]
            totals[k] = mask.sum()
        for j in range(raw.offsets.size):
            at = place_of_tile(raw, tiles, j, start, stop, width, first, last, stored)
            if at == 0:
                return False
            x = carray(as_pointer(np.uintp(at)), (stop - start,), like.dtype)
            for k in range(n_masks):
                mask, total, before = masks[k, : stop - start], totals[k], out[0, k, j]
                pivot = out[1, k, j]
                if before == 0.0:
                    pivot = np.float64(x[0])
                    pivot += _about(x, mask, pivot)[0] / (total if total > 0.0 else 1.0)
                some, squares = _about(x, mask, pivot)
                if squares - squares != 0.0:
                    return False
                if total > 0.0:
                    apart = some / total
                    mean = pivot + apart
                    share = total / (before + total)
                    out[2, k, j] += max(squares - some * apart, 0.0)
                    out[2, k, j] += (mean - out[1, k, j]) ** 2 * before * share
                    out[1, k, j] += (mean - out[1, k, j]) * share
                    out[0, k, j] = before + total
    return True
