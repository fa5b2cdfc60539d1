"""Weights, means and squares about the means of columns within classes: what naive Bayes learns of a block."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from scalable.kernels.jit import kernel
from scalable.kernels.memory import as_pointer

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
def _tile_moments(x: Any, mask: Any, total: float) -> Any:
    """Return mean and squares about it of the values of a tile, each counted by its mask."""
    some = 0.0
    for i in range(x.size):
        some += x[i] * mask[i]
    mean = some / total if total > 0.0 else 0.0
    square = 0.0
    for i in range(x.size):
        apart = x[i] - mean
        square += apart * apart * mask[i]
    return mean, square


@kernel(fastmath=True)
def masked_moments(addresses: np.ndarray, masks: np.ndarray, out: np.ndarray) -> bool:
    """Add the moments of float32 columns in memory under each mask, a tile at a time, without a branch.

    Parameters
    ----------
    addresses : uint64 array of shape (d,)
        Where the n values of each column are.
    masks : float64 array of shape (k, n)
        What each row counts under each mask.
    out : float64 array of shape (3, k, d)
        Weight, mean and squares about the mean of the rows before; changed.

    Returns
    -------
    bool
        Whether all values were finite; otherwise `out` is of no use.
    """
    n_masks, n_rows = masks.shape
    x = np.empty(TILE_ROWS)
    totals = np.empty(n_masks)
    for start in range(0, n_rows, TILE_ROWS):
        stop = min(start + TILE_ROWS, n_rows)
        for k in range(n_masks):
            totals[k] = masks[k, start:stop].sum()
        for j in range(addresses.size):
            raw = carray(as_pointer(addresses[j]), (n_rows,), np.float32)[start:stop]
            first = np.float64(raw[0])  # taken away, so that a constant has no squares about its mean
            trouble = np.float32(0.0)  # stays zero unless a value is NaN or infinite
            for i in range(raw.size):
                trouble += raw[i] * np.float32(0.0)
                x[i] = raw[i] - first
            if trouble != np.float32(0.0):
                return False
            for k in range(n_masks):
                mean, square = _tile_moments(x[: stop - start], masks[k, start:stop], totals[k])
                whole = out[0, k, j] + totals[k]
                share = totals[k] / whole if whole > 0.0 else 0.0
                apart = first + mean - out[1, k, j]
                out[2, k, j] += square + apart * apart * out[0, k, j] * share
                out[1, k, j] += share * apart
                out[0, k, j] = whole
    return True
