"""Slots: categories as rows of a weight table, read and updated only where a row has them.

A category of any feature is one slot, an index into the table; a row has one slot a feature, with
value 1. One-hot features own a slot a level, hashed features share 2^b of them.
"""

from __future__ import annotations

import numpy as np

from scalable.kernels.jit import kernel
from scalable.kernels.linear.adaptive_optimizers import G, copy_cell, move, put_back
from scalable.kernels.linear.few_levels import gather_narrow
from scalable.kernels.linear.optimizers import GRADIENT, W, update


@kernel(inline=True)
def add_slots(ids: np.ndarray, start: int, cells: np.ndarray, z: np.ndarray) -> None:
    """Add the weights of every row's slots to `z`.

    Parameters
    ----------
    ids : array of shape (n_features, n_rows), int32
        Slots.
    start : int
        First row.
    cells : array of shape (n_slots, 8), float32
        Cells of the slots.
    z : array of shape (m,)
        Updated.
    """
    m = z.size
    for h in range(ids.shape[0]):
        slots = ids[h, start : start + m]
        for i in range(m):
            z[i] += cells[np.uint32(slots[i]), W]


@kernel(inline=True)
def add_slot_weights(ids: np.ndarray, start: int, w: np.ndarray, z: np.ndarray) -> None:
    """Like `add_slots`, from a plain vector of weights, shape (n_slots,)."""
    m = z.size
    for h in range(ids.shape[0]):
        slots = ids[h, start : start + m]
        for i in range(m):
            z[i] += w[np.uint32(slots[i])]


@kernel(inline=True)
def scatter(slots: np.ndarray, r: np.ndarray, cells: np.ndarray) -> None:
    """Gather the batch's gradients `r`, shape (m,), in the cells of a feature's `slots`, shape (m,)."""
    for i in range(slots.size):
        cells[np.uint32(slots[i]), GRADIENT] += r[i]


@kernel(inline=True)
def update_slots(
    ids: np.ndarray,
    start: int,
    m: int,
    share: float,
    code: int,
    hyper: np.ndarray,
    factors: np.ndarray,
    t: float,
    cells: np.ndarray,
) -> None:
    """Move every cell that gathered a gradient since the last update, and clear it.

    Parameters
    ----------
    share : float
        Turns gathered sums into means over the batch.
    code, hyper, factors, t
        See `update`.
    """
    for h in range(ids.shape[0]):
        slots = ids[h, start : start + m]
        for i in range(m):
            s = np.uint32(slots[i])
            cell = cells[s]
            g = np.float64(cell[GRADIENT])
            if g != 0.0:
                update(code, hyper, cell, g * share, factors[s], t)
                cell[GRADIENT] = 0.0


@kernel(inline=True)
def update_slots_adaptive(
    ids: np.ndarray,
    start: int,
    r: np.ndarray,
    ranges: np.ndarray,
    share: float,
    hyper: np.ndarray,
    factors: np.ndarray,
    t: float,
    cells: np.ndarray,
    sums: np.ndarray,
    touched: np.ndarray,
    copies: np.ndarray,
) -> None:
    """Do `scatter` and `update_slots` for the optimizers that divide by the root of summed squares.

    The hot path of sparse models: the cells that a feature's rows touched move side by side.

    Parameters
    ----------
    r : array of shape (m,)
        Gradients of the batch's rows.
    ranges : array of shape (n_features, 2), int64
        See `scalable.kernels.linear.few_levels.narrow_features`.
    sums : array of shape (4, MOST_LEVELS), float32
        Work space.
    touched : array of shape (>= m, MOST_LEVELS), uint32
        Work space.
    copies : array of shape (7, >= m, MOST_LEVELS), float64
        Work space.
    """
    m = r.size
    for h in range(ids.shape[0]):
        if ranges[h, 1] == 0:
            scatter(ids[h, start : start + m], r, cells)
    for h in range(ids.shape[0]):
        slots = ids[h, start : start + m]
        if ranges[h, 1]:
            n = gather_narrow(slots, ranges[h, 0], ranges[h, 1], r, sums, touched, copies)
        else:
            n = 0
            for i in range(m):  # no branch: whether a slot came before in the batch cannot be foretold
                s = np.uint32(slots[i])
                g = cells[s, GRADIENT]
                cells[s, GRADIENT] = np.float32(0.0)
                touched[n] = s
                copies[G, n] = g
                n += 1 if g != np.float32(0.0) else 0
        for i in range(n):
            copy_cell(cells, touched[i], factors[touched[i]], copies, i)
        move(n, share, hyper, t, copies)
        for i in range(n):
            put_back(copies, i, t, cells, touched[i])
