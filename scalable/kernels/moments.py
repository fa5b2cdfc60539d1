"""Weighted second moments of rows with dense columns and slots: the pieces of a Gram matrix.

The dense part is left to BLAS. A row has few slots, so their part costs one addition per slot and
column instead of a product over all levels.
"""

from __future__ import annotations

import numpy as np

from scalable.kernels.jit import kernel


@kernel(fastmath=True)
def weighted_rows(columns: np.ndarray, start: int, weight: np.ndarray, out: np.ndarray) -> None:
    """Write ``columns[:, start:start + m] * sqrt(weight)`` and, as last row, ``sqrt(weight)``.

    Parameters
    ----------
    columns : array of shape (n_columns, n_rows)
        Dense features.
    start : int
        First row.
    weight : array of shape (m,), float64
        Non-negative weights.
    out : array of shape (n_columns + 1, m), dtype of `columns`
        Output; its product with its own transpose is the weighted Gram matrix with intercept.
    """
    n = columns.shape[0]
    m = weight.size
    root = out[n]
    for i in range(m):
        root[i] = np.sqrt(weight[i])
    for j in range(n):
        x = columns[j, start : start + m]
        row = out[j]
        for i in range(m):
            row[i] = x[i] * root[i]


@kernel()
def add_slot_moments(
    columns: np.ndarray, ids: np.ndarray, weight: np.ndarray, cross: np.ndarray, square: np.ndarray
) -> None:
    """Add the moments between slots and dense columns, and among slots.

    Parameters
    ----------
    columns : array of shape (n_columns, n_rows)
        Dense features.
    ids : array of shape (n_features, n_rows), int32
        Slots.
    weight : array of shape (n_rows,), float64
        Weights.
    cross : array of shape (n_columns + 1, n_slots), float64
        Updated; its last row belongs to the intercept.
    square : array of shape (n_slots, n_slots), float64
        Updated.
    """
    n_columns, n_rows = columns.shape
    for h in range(ids.shape[0]):
        slots = ids[h]
        for j in range(n_columns):
            x = columns[j]
            row = cross[j]
            for i in range(n_rows):
                row[np.uint32(slots[i])] += weight[i] * x[i]
        row = cross[n_columns]
        for i in range(n_rows):
            row[np.uint32(slots[i])] += weight[i]
        for other in range(ids.shape[0]):
            partners = ids[other]
            for i in range(n_rows):
                square[np.uint32(slots[i]), np.uint32(partners[i])] += weight[i]


@kernel(fastmath=True)
def add_gradient(columns: np.ndarray, ids: np.ndarray, r: np.ndarray, out: np.ndarray) -> None:
    """Add ``[columns; 1; slots] @ r`` to `out`, all sums in float64.

    Parameters
    ----------
    columns : array of shape (n_columns, n_rows)
        Dense features.
    ids : array of shape (n_features, n_rows), int32
        Slots.
    r : array of shape (n_rows,), float64
        Weighted residuals.
    out : array of shape (n_columns + 1 + n_slots,), float64
        Updated.
    """
    n_columns, n_rows = columns.shape
    for j in range(n_columns):
        x = columns[j]
        total = 0.0
        for i in range(n_rows):
            total += r[i] * x[i]
        out[j] += total
    total = 0.0
    for i in range(n_rows):
        total += r[i]
    out[n_columns] += total
    slots_out = out[n_columns + 1 :]
    for h in range(ids.shape[0]):
        slots = ids[h]
        for i in range(n_rows):
            slots_out[np.uint32(slots[i])] += r[i]
