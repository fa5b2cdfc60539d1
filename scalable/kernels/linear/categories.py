"""Categories as cells of a table, read and updated only where a row has them.

A category of any feature is a feature index, a cell of the table; a row has one a feature, with value 1.
One-hot features own an index a category, hashed features share 2^b buckets.
"""

from __future__ import annotations

import numpy as np

from scalable.kernels.jit import kernel
from scalable.kernels.linear.adaptive_optimizers import G, copy_cell, move, put_back
from scalable.kernels.linear.few_categories import gather_narrow
from scalable.kernels.linear.optimizers import FIELDS, GRADIENT, W, update
from scalable.kernels.linear.records import CategorySpace
from scalable.kernels.prefetch import prefetch


@kernel(inline=True)
def add_weights(ids: np.ndarray, start: int, cells: np.ndarray, z: np.ndarray) -> None:
    """Add the weights of every row's categories to `z`.

    Parameters
    ----------
    ids : array of shape (n_features, n_rows), int32
        Feature indices.
    start : int
        First row.
    cells : array of shape (n_indices, 8), float32
        Cells of the categories.
    z : array of shape (m,)
        Updated.
    """
    m = z.size
    for h in range(ids.shape[0]):
        indices = ids[h, start : start + m]
        for i in range(m):
            z[i] += cells[np.uint32(indices[i]), W]


@kernel(inline=True)
def add_coefficients(ids: np.ndarray, start: int, w: np.ndarray, z: np.ndarray) -> None:
    """Like `add_weights`, from a plain vector of weights, shape (n_indices,)."""
    m = z.size
    for h in range(ids.shape[0]):
        indices = ids[h, start : start + m]
        for i in range(m):
            z[i] += w[np.uint32(indices[i])]


@kernel(inline=True)
def scatter(indices: np.ndarray, r: np.ndarray, cells: np.ndarray) -> None:
    """Gather the batch's gradients `r`, shape (m,), in the cells of a feature's `indices`, shape (m,)."""
    for i in range(indices.size):
        cells[np.uint32(indices[i]), GRADIENT] += r[i]


@kernel(inline=True)
def update_categories(
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
        See `scalable.kernels.linear.optimizers.update`; factors of shape (m,), m from 1 to n_indices: the last is that
        of all further categories too. A factor of its own would cost each hashed one a line of the cache.
    cells : array of shape (n_indices, 8), float32
        Cells of the categories, updated.
    """
    rest = np.uint32(factors.size - 1)
    for h in range(ids.shape[0]):
        indices = ids[h, start : start + m]
        for i in range(m):
            s = np.uint32(indices[i])
            cell = cells[s]
            g = np.float64(cell[GRADIENT])
            if g != 0.0:
                update(code, hyper, cell, g * share, factors[min(s, rest)], t)
                cell[GRADIENT] = 0.0


@kernel(inline=True)
def update_adaptive(
    ids: np.ndarray,
    start: int,
    r: np.ndarray,
    share: float,
    hyper: np.ndarray,
    factors: np.ndarray,
    t: float,
    cells: np.ndarray,
    copies: np.ndarray,
    space: CategorySpace,
) -> None:
    """Do `scatter` and `update_categories` for the optimizers that divide by the root of summed squares.

    The hot path of sparse models: the cells that a feature's rows touched move side by side, and meanwhile those of the
    next batch are asked of the memory.

    Parameters
    ----------
    r : array of shape (m,)
        Gradients of the batch's rows.
    share, hyper, factors, t, cells
        See `update_categories`.
    copies : float64 array of shape (COPIED, >= m, > MOST_CATEGORIES)
        Work space.
    space : CategorySpace
        With the ranges of `scalable.kernels.linear.few_categories.narrow_features`.
    """
    ranges, touched = space.ranges, space.touched
    m = r.size
    rest = np.uint32(factors.size - 1)
    for h in range(ids.shape[0]):
        if ranges[h, 1] == 0:
            scatter(ids[h, start : start + m], r, cells)
    for h in range(ids.shape[0]):
        indices = ids[h, start : start + m]
        if ranges[h, 1]:
            n = gather_narrow(indices, ranges[h, 0], ranges[h, 1], r, space.sums, touched, copies)
        else:
            upcoming = ids[h, start + m : min(start + 2 * m, ids.shape[1])]
            for i in range(upcoming.size):
                prefetch(cells, FIELDS * np.int64(np.uint32(upcoming[i])))
            n = 0
            for i in range(m):  # no branch: whether an index came before in the batch cannot be foretold
                s = np.uint32(indices[i])
                g = cells[s, GRADIENT]
                cells[s, GRADIENT] = np.float32(0.0)
                touched[n] = s
                copies[G, n] = g
                n += 1 if g != np.float32(0.0) else 0
        for i in range(n):
            copy_cell(cells, touched[i], factors[min(touched[i], rest)], copies, i)
        move(n, share, hyper, t, copies)
        for i in range(n):
            put_back(copies, i, t, cells, touched[i])
