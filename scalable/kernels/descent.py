"""Mini-batch descent over a block: score, learn, move on; nothing is allocated.

Each batch is scored before it is learned from, so the returned loss is progressive validation:
an honest estimate for rows the model has not seen, on the first pass.
"""

from __future__ import annotations

import numpy as np

from scalable.kernels.dense import add_linear, dot_columns
from scalable.kernels.hashed import add_slot_weights, add_slots, scatter, update_slots
from scalable.kernels.jit import kernel
from scalable.kernels.losses import gradients, softmax_gradients
from scalable.kernels.optimizers import W, update

SOFTMAX = -1  # code of the one loss over several outputs
MAX_BATCH = 1024
FIRST_BATCH = 32
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
        Finished steps of this lane.
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
    n_columns, n_rows = columns.shape
    k = table.shape[0]
    base = n_columns + 1
    w = dense[0]
    g = dense[1]
    total = 0.0
    start = 0
    while start < n_rows:
        t += 1.0
        m = min(batch_size(t, full_batch), n_rows - start)
        share = 1.0 / m
        yb = y[start : start + m]
        wb = weight[start : start + m]
        for o in range(k):
            cells = table[o]
            for j in range(n_columns):
                w[j] = cells[j, W]
            z = scratch[o, :m]
            z[:] = cells[n_columns, W]
            add_linear(columns, start, w, z)
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
            dot_columns(columns, start, ro, g)
            for j in range(n_columns):
                update(optimizer, hyper, cells[j], np.float64(g[j]) * share, factors[j], t)
            if fit_intercept:
                residual = np.float32(0.0)
                for i in range(m):
                    residual += ro[i]
                update(optimizer, hyper, cells[n_columns], np.float64(residual) * share, 0.0, t)
            if ids.shape[0]:
                scatter(ids, start, ro, cells[base:])
                update_slots(ids, start, m, share, optimizer, hyper, factors[base:], t, cells[base:])
        start += m
    return total, t


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
