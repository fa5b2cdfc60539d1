"""Mini-batch descent over a block: score, learn, move on; nothing is allocated.

Each batch is scored before it is learned from, so the returned loss is progressive validation:
an honest estimate for rows the model has not seen, on the first pass.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.jit import kernel
from scalable.kernels.linear.adaptive_optimizers import COPIED, G, copy_cell, move, put_back
from scalable.kernels.linear.categories import (
    add_coefficients,
    add_weights,
    scatter,
    update_adaptive,
    update_categories,
)
from scalable.kernels.linear.dense import add_linear, dot_columns
from scalable.kernels.linear.few_categories import MOST_CATEGORIES, SUMS, narrow_features
from scalable.kernels.linear.gradients import LOG, gradients, log_gradients, softmax_gradients
from scalable.kernels.linear.optimizers import ADAGRAD, NORMALIZED, W, update
from scalable.kernels.linear.raw_tiles import standardized
from scalable.kernels.linear.records import CategorySpace, DescentRule, FloatColumns
from scalable.kernels.parquet.tiles import TileColumns

SOFTMAX = -1  # code of the one loss over several outputs
MAX_BATCH = 1024
FIRST_BATCH = 32
TILE_ROWS = 2048  # standardised at once: 28 columns of it stay in the second-level cache
BLOCK_ROWS = 2**17  # of a longer block, after which a batch ends, as at the end of blocks that were decoded
GROWTH_STEPS = 32.0  # the batch doubles every so many steps until it has its full size


def descent_rule(loss: int, delta: float, optimizer: int, batch: int, fit_intercept: bool) -> DescentRule:
    """Return the rule of a descent; for what most descents are, `descend` compiles in a third of the time."""
    common = loss == LOG and optimizer in (NORMALIZED, ADAGRAD)
    return DescentRule(loss, delta, optimizer, batch, fit_intercept, None if common else 0)


@kernel(inline=True)
def batch_size(t: float, full: int) -> int:
    """Return the rows of step `t`: early steps are small, when every gradient is news."""
    doublings = int(t / GROWTH_STEPS)
    return full if doublings > 10 else min(full, FIRST_BATCH << doublings)


@kernel(inline=True)
def _share(full: int, n_rows: int) -> float:
    """Return what a row of a step counts: the same in the last, short one of a block.

    As means over those, the one row left of 33 would count as much as sixteen others, in every pass anew.
    """
    return 1.0 / min(full, n_rows)


@kernel(inline=True, fastmath=True)
def _target(y: np.ndarray, output: int, k: int, hot: np.ndarray) -> Any:
    """Return what an output of `k` learns: of one the targets, of several whether a row is of its class.

    One place for both: the loops over a loss are most of what is compiled.
    """
    if k == 1:
        return y
    for i in range(y.size):
        hot[i] = np.float32(1.0) if y[i] == output else np.float32(0.0)
    return hot


@kernel(inline=True, fastmath=True)
def _move_adaptive(
    g: np.ndarray,
    residual: float,
    rule: DescentRule,
    share: float,
    hyper: np.ndarray,
    factors: np.ndarray,
    t: float,
    cells: np.ndarray,
    copies: np.ndarray,
) -> None:
    """Move the dense columns and the intercept side by side."""
    n = g.size
    for j in range(n):
        copies[G, j] = g[j]
        copy_cell(cells, j, factors[j], copies, j)
    if rule.fit_intercept:
        copies[G, n] = residual
        copy_cell(cells, n, 0.0, copies, n)
        n += 1
    move(n, share, hyper, t, copies)
    for j in range(n):
        put_back(copies, j, t, cells, j)


@kernel(inline=True, fastmath=True)
def _learn(
    columns: np.ndarray,
    at: int,
    ids: np.ndarray,
    start: int,
    yb: np.ndarray,
    wb: np.ndarray,
    rule: DescentRule,
    rare: int | None,
    share: float,
    hyper: np.ndarray,
    factors: np.ndarray,
    t: float,
    table: np.ndarray,
    scratch: np.ndarray,
    dense: np.ndarray,
    copies: np.ndarray,
    space: CategorySpace,
) -> float:
    """Score a batch and learn from it; dense columns from row `at` on, categories from row `start` on.

    `rare` is that of the rule: a branch on None is decided by the type of an argument, before it is compiled. What a
    row counts is `share`, see `_share`.
    """
    n_columns = columns.shape[0]
    k = table.shape[0]
    m = yb.size
    base = n_columns + 1
    w = dense[0]
    g = dense[1]
    optimizer = rule.optimizer
    total = 0.0
    for o in range(k):
        cells = table[o]
        for j in range(n_columns):
            w[j] = cells[j, W]
        z = scratch[o, :m]
        z[:] = cells[n_columns, W]
        add_linear(columns, at, w, z)
        add_weights(ids, start, cells[base:], z)
    hot = scratch[2 * k, :m]
    if rare is None:
        for o in range(k):
            target = _target(yb, o, k, hot)
            total += log_gradients(scratch[o, :m], target, wb, scratch[k + o, :m])
    elif rule.loss == SOFTMAX:
        total += softmax_gradients(k, scratch, yb, wb, scratch[k:])
    else:
        for o in range(k):
            target = _target(yb, o, k, hot)
            total += gradients(rule.loss, rule.delta, scratch[o, :m], target, wb, scratch[k + o, :m])
    for o in range(k):
        cells = table[o]
        ro = scratch[k + o, :m]
        dot_columns(columns, at, ro, g)
        residual = np.float32(0.0)
        for i in range(m):
            residual += ro[i]
        if rare is None:  # noqa: SIM114 - a branch on None alone is decided before it is compiled
            _move_adaptive(g, residual, rule, share, hyper, factors, t, cells, copies)
            if ids.shape[0]:
                update_adaptive(ids, start, ro, share, hyper, factors[base:], t, cells[base:], copies, space)
        elif optimizer in (NORMALIZED, ADAGRAD):
            _move_adaptive(g, residual, rule, share, hyper, factors, t, cells, copies)
            if ids.shape[0]:
                update_adaptive(ids, start, ro, share, hyper, factors[base:], t, cells[base:], copies, space)
        else:
            for j in range(n_columns):
                update(optimizer, hyper, cells[j], np.float64(g[j]) * share, factors[j], t)
            if rule.fit_intercept:
                update(optimizer, hyper, cells[n_columns], np.float64(residual) * share, 0.0, t)
            for h in range(ids.shape[0]):
                scatter(ids[h, start : start + m], ro, cells[base:])
            if ids.shape[0]:
                update_categories(ids, start, m, share, optimizer, hyper, factors[base:], t, cells[base:])
    return total


@kernel(fastmath=True)
def descend(
    columns: np.ndarray,
    ids: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    rule: DescentRule,
    hyper: np.ndarray,
    factors: np.ndarray,
    t: float,
    table: np.ndarray,
) -> tuple[float, float]:
    """Learn from the rows of a block, in order.

    Parameters
    ----------
    columns : array of shape (n_columns, n_rows), float32
        Dense features.
    ids : array of shape (n_features, n_rows), int32
        Feature indices of the categories.
    y, weight : arrays of shape (n_rows,), float32
        Targets (0/1, class index, or value) and weights.
    rule : DescentRule
        What is minimised and how.
    hyper : float64 array of shape (8,)
        See `scalable.kernels.linear.optimizers.hyper_parameters`.
    factors : float64 array of shape (n_columns + 1 + m,)
        Penalty factors: dense columns, intercept, and the first m categories; the last is that of all others too.
    t : float
        Finished steps of this replica.
    table : array of shape (k, n_columns + 1 + n_indices, 8), float32
        Cells, updated.

    Returns
    -------
    tuple of float
        Weighted sum of the losses before learning, and the number of finished steps.
    """
    n_columns, n_rows = columns.shape
    ranges = np.zeros((ids.shape[0], 2), np.int64)
    if rule.optimizer in (NORMALIZED, ADAGRAD):
        narrow_features(ids, ranges)
    most = max(MAX_BATCH, MOST_CATEGORIES + 1)
    scratch = np.empty((2 * table.shape[0] + 1, MAX_BATCH), np.float32)
    dense = np.empty((2, n_columns), np.float32)
    copies = np.empty((COPIED, max(most, n_columns + 1)))
    space = CategorySpace(ranges, np.empty((SUMS, MOST_CATEGORIES), np.float32), np.empty(most, np.uint32))
    total = 0.0
    start: Any = np.int64(0)  # a literal would be compiled for itself, all of `_learn` once more
    while start < n_rows:
        t += 1.0
        full = batch_size(t, rule.batch)
        m = min(full, n_rows - start)
        share = _share(full, n_rows)
        yb = y[start : start + m]
        wb = weight[start : start + m]
        total += _learn(
            columns, start, ids, start, yb, wb, rule, rule.rare, share, hyper, factors, t, table, scratch, dense,
            copies, space,
        )  # fmt: skip
        start += m
    return total, t


@kernel(fastmath=True)
def descend_raw(
    raw: FloatColumns,
    tiles: TileColumns | None,
    y: np.ndarray,
    weight: np.ndarray,
    rule: DescentRule,
    hyper: np.ndarray,
    factors: np.ndarray,
    t: float,
    table: np.ndarray,
    tile: np.ndarray,
    stored: np.ndarray,
) -> tuple[float, float, int]:
    """Do `descend` on float32 columns that are standardised tile by tile and learned from the near cache.

    Parameters
    ----------
    raw : FloatColumns
        The dense features as they are in memory or in their file.
    tiles : TileColumns or None
        The values of those, where they are compressed: a branch on None is decided before this is compiled.
    y, weight, rule, hyper, factors, t, table
        See `descend`.
    tile : array of shape (n_columns, >= TILE_ROWS), float32
        Work space; rows should not be a power of two apart.
    stored : array of shape (`scalable.kernels.linear.raw_tiles.room_of_tiles`,), float32
        Work space.

    Returns
    -------
    tuple
        Sum of losses, finished steps, and the row where it stopped: that of a tile with a value that
        is NaN or infinite, or that cannot be read, or the number of rows.
    """
    n_columns = raw.offsets.size
    n_rows = y.size
    none = np.empty((0, n_rows), np.int32)
    widths = np.full(n_columns, 4)
    first: Any = np.int64(0)
    last: Any = np.int64(0)
    scratch = np.empty((2 * table.shape[0] + 1, MAX_BATCH), np.float32)
    dense = np.empty((2, n_columns), np.float32)
    copies = np.empty((COPIED, n_columns + 1))
    space = CategorySpace(np.empty((0, 2), np.int64), np.empty((0, 0), np.float32), np.empty(0, np.uint32))
    total = 0.0
    start: Any = np.int64(0)  # a literal would be compiled for itself, all of `_learn` once more
    while start < n_rows:
        stop = min(start + TILE_ROWS, n_rows)
        first, last = standardized(raw, tiles, start, stop, n_rows, widths, first, last, stored, tile)
        if last < 0:
            return total, t, start
        tile_begin = start
        while start < stop:
            full, done = batch_size(t + 1.0, rule.batch), start % BLOCK_ROWS
            m = min(full, n_rows - start, BLOCK_ROWS - done)
            if start + m > stop:
                break  # the next tile begins with this batch
            share = _share(full, min(n_rows - start + done, BLOCK_ROWS))
            t += 1.0
            yb = y[start : start + m]
            wb = weight[start : start + m]
            total += _learn(
                tile, start - tile_begin, none, np.int64(0), yb, wb, rule, rule.rare, share, hyper, factors, t, table,
                scratch, dense, copies, space,
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
        Feature indices.
    coef : array of shape (k, n_columns + 1 + n_indices), dtype of `columns`
        Coefficients of dense columns, intercept, categories.
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
            add_coefficients(ids, start, coef[o, n_columns + 1 :], z)
