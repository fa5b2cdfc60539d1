"""Many cells moved at once by the optimizers that divide by the root of summed squares.

One cell after another would wait for three roots and divisions each; copied side by side, several move in
the time of one. The result is that of `scalable.kernels.linear.optimizers.update`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.jit import kernel
from scalable.kernels.linear.gradients import STEEPEST
from scalable.kernels.linear.optimizers import AVERAGE, L1, L2, RATE, RATE_CUT, S0, SEEN, W
from scalable.kernels.linear.penalties import prox

COPIED = 7  # rows of `copies`
G, _W, _S0, _SEEN, _AVERAGE, _RATE_CUT, _FACTOR = range(COPIED)
_SIDE_BY_SIDE = 512


@kernel(inline=True)
def copy_cell(cells: np.ndarray, s: Any, factor: float, copies: np.ndarray, i: int) -> None:
    """Copy ``cells[s]`` and its penalty factor to column `i` of `copies`; its gradient is put there by others."""
    copies[_W, i] = cells[s, W]
    copies[_S0, i] = cells[s, S0]
    copies[_SEEN, i] = cells[s, SEEN]
    copies[_AVERAGE, i] = cells[s, AVERAGE]
    copies[_RATE_CUT, i] = cells[s, RATE_CUT]
    copies[_FACTOR, i] = factor


@kernel(inline=True)
def put_back(copies: np.ndarray, i: int, t: float, cells: np.ndarray, s: Any) -> None:
    """Store column `i` of `copies` in ``cells[s]``, as of step `t`."""
    cells[s, W] = copies[_W, i]
    cells[s, S0] = copies[_S0, i]
    cells[s, SEEN] = t
    cells[s, AVERAGE] = copies[_AVERAGE, i]


@kernel(inline=True, fastmath=True)
def settle(n: int, hyper: np.ndarray, t: float, copies: np.ndarray) -> None:
    """Bring the first `n` copies up to date with the steps before `t`: missed penalties, then the average."""
    w, squares, seen, average = copies[_W], copies[_S0], copies[_SEEN], copies[_AVERAGE]
    rate_cut, factor = copies[_RATE_CUT], copies[_FACTOR]
    full, l1, l2 = hyper[RATE], hyper[L1], hyper[L2]
    # One array written a loop: with more, LLVM gives up proving that they do not overlap.
    for i in range(n):  # the penalty of missed steps
        before = squares[i]
        missed = max(t - 1.0 - seen[i], 0.0)
        owed = full * (1.0 - rate_cut[i]) / np.sqrt(before) * missed if before > 0.0 else 0.0
        w[i] = prox(w[i], owed, l1 * factor[i], l2 * factor[i] * factor[i])
    for i in range(n):
        kept = min(seen[i] / t, 1.0)
        kept *= kept
        average[i] = w[i] + (average[i] - w[i]) * kept * kept


@kernel(fastmath=True)
def flush_adaptive(hyper: np.ndarray, table: np.ndarray, factors: np.ndarray, t: float) -> None:
    """Do `scalable.kernels.linear.optimizers.flush` for the optimizers that divide by the root of summed squares.

    Parameters
    ----------
    hyper, t
        See `move`.
    table : array of shape (k, n, 8), float32
        Cells, updated.
    factors : array of shape (n,)
        Penalty factors.
    """
    copies = np.empty((COPIED, _SIDE_BY_SIDE))
    for o in range(table.shape[0]):
        for start in range(0, table.shape[1], _SIDE_BY_SIDE):
            cells = table[o, start : start + _SIDE_BY_SIDE]
            n = cells.shape[0]
            for i in range(n):
                copy_cell(cells, i, factors[start + i], copies, i)
            settle(n, hyper, t + 1.0, copies)
            for i in range(n):
                put_back(copies, i, t + 1.0, cells, i)


@kernel(inline=True, fastmath=True)
def move(n: int, share: float, hyper: np.ndarray, t: float, copies: np.ndarray) -> None:
    """Move the first `n` copies at step `t`, without branches.

    Parameters
    ----------
    share : float
        Turns gathered gradients into means over the batch.
    hyper : array of shape (8,)
        See `hyper_parameters`.
    copies : array of shape (7, >= n), float64
        See `copy_cell`; updated.
    """
    gradient, w, squares = copies[G], copies[_W], copies[_S0]
    rate_cut, factor = copies[_RATE_CUT], copies[_FACTOR]
    full, l1, l2 = hyper[RATE], hyper[L1], hyper[L2]
    settle(n, hyper, t, copies)
    for i in range(n):
        g = min(max(gradient[i] * share, -STEEPEST), STEEPEST)
        gradient[i] = g
    for i in range(n):
        squares[i] += gradient[i] * gradient[i]
    for i in range(n):
        grown = squares[i]
        rate = full * (1.0 - rate_cut[i]) / np.sqrt(grown) if grown > 0.0 else 0.0
        v = prox(w[i] - rate * gradient[i], rate, l1 * factor[i], l2 * factor[i] * factor[i])
        w[i] = min(max(v, -STEEPEST), STEEPEST)
