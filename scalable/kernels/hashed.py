"""Slots: categories as rows of a weight table, read and updated only where a row has them.

A category of any feature is one slot, an index into the table; a row has one slot a feature, with
value 1. One-hot features own a slot a level, hashed features share 2^b of them.
"""

from __future__ import annotations

import numpy as np

from scalable.kernels.jit import kernel
from scalable.kernels.optimizers import ADAGRAD, GRADIENT, NORMALIZED, W, update, update_adaptive


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
def scatter(ids: np.ndarray, start: int, r: np.ndarray, cells: np.ndarray) -> None:
    """Gather the batch's gradients `r`, shape (m,), in the cells of the slots its rows have."""
    m = r.size
    for h in range(ids.shape[0]):
        slots = ids[h, start : start + m]
        for i in range(m):
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
    if code in (NORMALIZED, ADAGRAD):
        for h in range(ids.shape[0]):
            slots = ids[h, start : start + m]
            for i in range(m):
                s = np.uint32(slots[i])
                gathered = np.float64(cells[s, GRADIENT])
                if gathered != 0.0:
                    update_adaptive(hyper, cells, s, gathered * share, factors[s], t)
                    cells[s, GRADIENT] = 0.0
        return
    for h in range(ids.shape[0]):
        slots = ids[h, start : start + m]
        for i in range(m):
            s = np.uint32(slots[i])
            cell = cells[s]
            g = np.float64(cell[GRADIENT])
            if g != 0.0:
                update(code, hyper, cell, g * share, factors[s], t)
                cell[GRADIENT] = 0.0
