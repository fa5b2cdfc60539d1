"""Mini-batch descent over a block: score, learn, move on; nothing is allocated.

Each batch is scored before it is learned from, so the returned loss is progressive validation:
an honest estimate for rows the model has not seen, on the first pass.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from scalable.kernels.encode.encoding import encode_floats
from scalable.kernels.jit import kernel
from scalable.kernels.linear.adaptive_optimizers import COPIED, G, copy_cell, move, put_back
from scalable.kernels.linear.categories import (
    add_slot_weights,
    add_slots,
    scatter,
    update_slots,
    update_slots_adaptive,
)
from scalable.kernels.linear.dense import add_linear, dot_columns
from scalable.kernels.linear.few_levels import MOST_LEVELS, SUMS, narrow_features
from scalable.kernels.linear.losses import gradients, softmax_gradients
from scalable.kernels.linear.optimizers import ADAGRAD, NORMALIZED, W, update
from scalable.kernels.memory import as_pointer
from scalable.kernels.parquet.files import read_rows

SOFTMAX = -1  # code of the one loss over several outputs
MAX_BATCH = 1024
FIRST_BATCH = 32
TILE_ROWS = 2048  # standardised at once: 28 columns of it stay in the second-level cache
GROWTH_STEPS = 32.0  # the batch doubles every so many steps until it has its full size


@kernel(inline=True)
def batch_size(t: float, full: int) -> int:
    """Return the rows of step `t`: early steps are small, when every gradient is news."""
    doublings = int(t / GROWTH_STEPS)
    return full if doublings > 10 else min(full, FIRST_BATCH << doublings)


@kernel(inline=True, fastmath=True)
def _one_versus_rest(y: np.ndarray, target: int, out: np.ndarray) -> None:
    for i in range(y.size):
        out[i] = np.float32(1.0) if y[i] == target else np.float32(0.0)


@kernel(inline=True, fastmath=True)
def _learn(
    columns: np.ndarray,
    at: int,
    ids: np.ndarray,
    start: int,
    yb: np.ndarray,
    wb: np.ndarray,
    loss: int,
    delta: float,
    optimizer: int,
    hyper: np.ndarray,
    factors: np.ndarray,
    t: float,
    fit_intercept: bool,
    table: np.ndarray,
    scratch: np.ndarray,
    dense: np.ndarray,
    ranges: np.ndarray,
    sums: np.ndarray,
    touched: np.ndarray,
    copies: np.ndarray,
) -> float:
    """Score a batch and learn from it; dense columns from row `at` on, slots from row `start` on."""
    n_columns = columns.shape[0]
    k = table.shape[0]
    m = yb.size
    base = n_columns + 1
    w = dense[0]
    g = dense[1]
    total = 0.0
    share = 1.0 / m
    for o in range(k):
        cells = table[o]
        for j in range(n_columns):
            w[j] = cells[j, W]
        z = scratch[o, :m]
        z[:] = cells[n_columns, W]
        add_linear(columns, at, w, z)
        add_slots(ids, start, cells[base:], z)
    if loss == SOFTMAX:
        total += softmax_gradients(k, scratch, yb, wb, scratch[k:])
    elif k == 1:
        total += gradients(loss, delta, scratch[0, :m], yb, wb, scratch[1, :m])
    else:
        hot = scratch[2 * k, :m]
        for o in range(k):
            _one_versus_rest(yb, o, hot)
            total += gradients(loss, delta, scratch[o, :m], hot, wb, scratch[k + o, :m])
    for o in range(k):
        cells = table[o]
        ro = scratch[k + o, :m]
        dot_columns(columns, at, ro, g)
        residual = np.float32(0.0)
        for i in range(m):
            residual += ro[i]
        if optimizer in (NORMALIZED, ADAGRAD):
            for j in range(n_columns):
                copies[G, j] = g[j]
                copy_cell(cells, j, factors[j], copies, j)
            n = n_columns
            if fit_intercept:
                copies[G, n] = residual
                copy_cell(cells, n, 0.0, copies, n)
                n += 1
            move(n, share, hyper, t, copies)
            for j in range(n):
                put_back(copies, j, t, cells, j)
        else:
            for j in range(n_columns):
                update(optimizer, hyper, cells[j], np.float64(g[j]) * share, factors[j], t)
            if fit_intercept:
                update(optimizer, hyper, cells[n_columns], np.float64(residual) * share, 0.0, t)
        if ids.shape[0]:
            if optimizer in (NORMALIZED, ADAGRAD):
                update_slots_adaptive(
                    ids,
                    start,
                    ro,
                    ranges,
                    share,
                    hyper,
                    factors[base:],
                    t,
                    cells[base:],
                    sums,
                    touched,
                    copies,
                )
            else:
                for h in range(ids.shape[0]):
                    scatter(ids[h, start : start + m], ro, cells[base:])
                update_slots(ids, start, m, share, optimizer, hyper, factors[base:], t, cells[base:])
    return total


@kernel(fastmath=True)
def descend(
    columns: np.ndarray,
    ids: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    loss: int,
    delta: float,
    optimizer: int,
    hyper: np.ndarray,
    factors: np.ndarray,
    full_batch: int,
    t: float,
    fit_intercept: bool,
    table: np.ndarray,
    scratch: np.ndarray,
    dense: np.ndarray,
) -> tuple[float, float]:
    """Learn from the rows of a block, in order.

    Parameters
    ----------
    columns : array of shape (n_columns, n_rows), float32
        Dense features.
    ids : array of shape (n_features, n_rows), int32
        Slots of the categorical features.
    y, weight : arrays of shape (n_rows,), float32
        Targets (0/1, class index, or value) and weights.
    loss, delta, optimizer, hyper
        Numbers and parameters of loss and optimizer; loss -1 is softmax.
    factors : array of shape (n_columns + 1 + n_slots,)
        Penalty factors: dense columns, intercept, slots.
    full_batch : int
        Rows per step, at most ``MAX_BATCH``.
    t : float
        Finished steps of this replica.
    fit_intercept : bool
        Whether the intercept moves.
    table : array of shape (k, n_columns + 1 + n_slots, 8), float32
        Cells, updated.
    scratch : array of shape (2 * k + 1, MAX_BATCH), float32
        Work space.
    dense : array of shape (2, n_columns), float32
        Work space.

    Returns
    -------
    tuple of float
        Weighted sum of the losses before learning, and the number of finished steps.
    """
    n_rows = columns.shape[1]
    ranges = np.zeros((ids.shape[0], 2), np.int64)
    if optimizer in (NORMALIZED, ADAGRAD):
        narrow_features(ids, ranges)
    sums = np.empty((SUMS, MOST_LEVELS), np.float32)
    touched = np.empty(max(MAX_BATCH, MOST_LEVELS + 1), np.uint32)
    copies = np.empty((COPIED, max(MAX_BATCH, MOST_LEVELS + 1, columns.shape[0] + 1)))
    total = 0.0
    start: Any = np.int64(0)  # a literal would be compiled for itself, all of `_learn` once more
    while start < n_rows:
        t += 1.0
        m = min(batch_size(t, full_batch), n_rows - start)
        yb = y[start : start + m]
        wb = weight[start : start + m]
        total += _learn(
            columns, start, ids, start, yb, wb, loss, delta, optimizer, hyper, factors, t, fit_intercept,
            table, scratch, dense, ranges, sums, touched, copies,
        )  # fmt: skip
        start += m
    return total, t


@kernel(fastmath=True)
def descend_raw(
    addresses: np.ndarray,
    descriptor: int,
    places: np.ndarray,
    bounds: np.ndarray,
    first_row: int,
    offsets: np.ndarray,
    scales: np.ndarray,
    units: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    loss: int,
    delta: float,
    optimizer: int,
    hyper: np.ndarray,
    factors: np.ndarray,
    full_batch: int,
    t: float,
    fit_intercept: bool,
    table: np.ndarray,
    scratch: np.ndarray,
    dense: np.ndarray,
    tile: np.ndarray,
) -> tuple[float, float, int]:
    """Do `descend` on float32 columns that are standardised tile by tile and learned from the near cache.

    Parameters
    ----------
    addresses : array of shape (n_columns,), uint64
        Where each column is in memory; empty when they are read from a file instead.
    descriptor, places, bounds, first_row
        Open file, its pages and the first row of the block, see `scalable.kernels.parquet.files.gather`.
    offsets, scales, units : arrays of shape (n_columns,), float64
        See `encode_floats`.
    tile : array of shape (n_columns, >= TILE_ROWS), float32
        Work space; rows should not be a power of two apart.
    y, weight, loss, ..., dense
        See `descend`.

    Returns
    -------
    tuple
        Sum of losses, finished steps, and the row where it stopped: that of a tile with a value that
        is NaN or infinite, or that cannot be read, or the number of rows.
    """
    n_columns = offsets.size
    n_rows = y.size
    stored = np.empty(TILE_ROWS, np.float32)
    none = np.empty((0, n_rows), np.int32)
    ranges, sums = np.empty((0, 2), np.int64), np.empty((0, 0), np.float32)
    touched = np.empty(0, np.uint32)
    copies = np.empty((COPIED, n_columns + 1))
    total = 0.0
    start: Any = np.int64(0)  # a literal would be compiled for itself, all of `_learn` once more
    while start < n_rows:
        stop = min(start + TILE_ROWS, n_rows)
        bad = 0
        for j in range(n_columns):
            if addresses.size:
                x = carray(as_pointer(addresses[j]), (n_rows,), np.float32)[start:stop]
            else:  # by system calls into the near cache: no block passes through memory
                x = stored[: stop - start]
                failed = read_rows(
                    descriptor,
                    places,
                    bounds[j],
                    bounds[j + 1],
                    4,
                    first_row + start,
                    x.size,
                    stored.ctypes.data,
                )
                if failed >= 0:
                    return total, t, start
            bad += encode_floats(x, units[j], offsets[j], scales[j], tile[j, : stop - start])
        if bad:
            return total, t, start
        first = start
        while start < stop:
            m = min(batch_size(t + 1.0, full_batch), n_rows - start)
            if start + m > stop:
                break  # the next tile begins with this batch
            t += 1.0
            yb = y[start : start + m]
            wb = weight[start : start + m]
            total += _learn(
                tile, start - first, none, np.int64(0), yb, wb, loss, delta, optimizer, hyper, factors, t,
                fit_intercept, table, scratch, dense, ranges, sums, touched, copies,
            )  # fmt: skip
            start += m
    return total, t, start


@kernel(fastmath=True)
def predict(columns: np.ndarray, ids: np.ndarray, coef: np.ndarray, out: np.ndarray) -> None:
    """Compute linear predictors.

    Parameters
    ----------
    columns : array of shape (n_columns, n_rows)
        Dense features.
    ids : array of shape (n_features, n_rows), int32
        Slots.
    coef : array of shape (k, n_columns + 1 + n_slots), dtype of `columns`
        Dense coefficients, intercept, slots.
    out : array of shape (k, n_rows), dtype of `columns`
        Output.
    """
    n_columns, n_rows = columns.shape
    for start in range(0, n_rows, MAX_BATCH):
        stop = min(start + MAX_BATCH, n_rows)
        for o in range(coef.shape[0]):
            z = out[o, start:stop]
            z[:] = coef[o, n_columns]
            add_linear(columns, start, coef[o, :n_columns], z)
            add_slot_weights(ids, start, coef[o, n_columns + 1 :], z)
