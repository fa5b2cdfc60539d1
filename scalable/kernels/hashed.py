"""Slots: categories as rows of a weight table, read and updated only where a row has them.

A category of any feature is one slot, an index into the table; a row has one slot a feature, with
value 1. One-hot features own a slot a level, hashed features share 2^b of them.
"""

from __future__ import annotations

import numpy as np

from scalable.kernels.jit import kernel
from scalable.kernels.losses import STEEPEST
from scalable.kernels.optimizers import AVERAGE, DRAG, GRADIENT, L1, L2, RATE, S0, SEEN, W, update
from scalable.kernels.penalties import prox


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
    for h in range(ids.shape[0]):
        slots = ids[h, start : start + m]
        for i in range(m):
            s = np.uint32(slots[i])
            cell = cells[s]
            g = np.float64(cell[GRADIENT])
            if g != 0.0:
                update(code, hyper, cell, g * share, factors[s], t)
                cell[GRADIENT] = 0.0


COPIED = 7  # rows of `copies`
_G, _W, _S0, _SEEN, _AVERAGE, _DRAG, _FACTOR = range(COPIED)


@kernel(inline=True)
def update_slots_adaptive(
    ids: np.ndarray,
    start: int,
    m: int,
    share: float,
    hyper: np.ndarray,
    factors: np.ndarray,
    t: float,
    cells: np.ndarray,
    touched: np.ndarray,
    copies: np.ndarray,
) -> None:
    """Do `update_slots` for the optimizers that divide by the root of summed squares.

    The hot path of sparse models: the cells that a feature's rows touched are copied side by side, moved
    several at once, and put back.

    Parameters
    ----------
    touched : array of shape (>= m,), uint32
        Work space.
    copies : array of shape (7, >= m), float32
        Work space.
    """
    for h in range(ids.shape[0]):
        slots = ids[h, start : start + m]
        n = 0
        for i in range(m):  # no branch: whether a slot came before in the batch cannot be foretold
            s = np.uint32(slots[i])
            g = cells[s, GRADIENT]
            cells[s, GRADIENT] = np.float32(0.0)
            touched[n] = s
            copies[_G, n] = g
            n += 1 if g != np.float32(0.0) else 0
        for i in range(n):
            s = touched[i]
            copies[_W, i] = cells[s, W]
            copies[_S0, i] = cells[s, S0]
            copies[_SEEN, i] = cells[s, SEEN]
            copies[_AVERAGE, i] = cells[s, AVERAGE]
            copies[_DRAG, i] = cells[s, DRAG]
            copies[_FACTOR, i] = factors[s]
        _move(n, share, hyper, t, copies)
        for i in range(n):
            s = touched[i]
            cells[s, W] = copies[_W, i]
            cells[s, S0] = copies[_S0, i]
            cells[s, SEEN] = t
            cells[s, AVERAGE] = copies[_AVERAGE, i]


@kernel(inline=True, fastmath=True)
def _move(n: int, share: float, hyper: np.ndarray, t: float, copies: np.ndarray) -> None:
    """Do `update` of the first `n` copies, without branches."""
    gradient, w, squares = copies[_G], copies[_W], copies[_S0]
    seen, average, drag, factor = copies[_SEEN], copies[_AVERAGE], copies[_DRAG], copies[_FACTOR]
    full, every_l1, every_l2 = hyper[RATE], hyper[L1], hyper[L2]
    # One array written a loop: with more, LLVM gives up proving that they do not overlap.
    for i in range(n):
        before = np.float64(squares[i])
        missed = max(t - 1.0 - np.float64(seen[i]), 0.0)
        f = np.float64(factor[i])
        base = full * (1.0 - np.float64(drag[i]))
        owed = base / np.sqrt(before) * missed if before > 0.0 else 0.0
        w[i] = prox(np.float64(w[i]), owed, every_l1 * f, every_l2 * f * f)
    for i in range(n):
        kept = min(np.float64(seen[i]) / t, 1.0)
        kept *= kept
        v = np.float64(w[i])
        average[i] = v + (np.float64(average[i]) - v) * kept * kept
    for i in range(n):
        g = min(max(np.float64(gradient[i]) * share, -STEEPEST), STEEPEST)
        squares[i] = np.float64(squares[i]) + g * g
    for i in range(n):
        g = min(max(np.float64(gradient[i]) * share, -STEEPEST), STEEPEST)
        grown = np.float64(squares[i])
        f = np.float64(factor[i])
        base = full * (1.0 - np.float64(drag[i]))
        rate = base / np.sqrt(grown) if grown > 0.0 else 0.0
        v = prox(np.float64(w[i]) - rate * g, rate, every_l1 * f, every_l2 * f * f)
        w[i] = min(max(v, -STEEPEST), STEEPEST)
