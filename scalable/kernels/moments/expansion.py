"""Newton's method over a block: scores, gradient and curvature of a piece of the rows while it is in the near cache."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from scalable.kernels.buffers import take
from scalable.kernels.jit import kernel
from scalable.kernels.linear.dense import add_linear
from scalable.kernels.linear.gradients import log_curvatures, other_curvatures
from scalable.kernels.linear.raw_tiles import standardized
from scalable.kernels.linear.records import FloatColumns
from scalable.kernels.moments.gram import CHUNK, add_dense_gradient, add_weighted_products, scaled_shape
from scalable.kernels.parquet.tiles import TileColumns

TILE_ROWS = 2 * CHUNK


class Room(NamedTuple):
    """Work space of a call.

    Attributes
    ----------
    z : array of shape (`CHUNK`,), dtype of the columns
    slopes : float64 array of shape (2, `CHUNK`)
    scaled : array of shape `scaled_shape`, dtype of the columns
    """

    z: np.ndarray
    slopes: np.ndarray
    scaled: np.ndarray


def room_of(n_columns: int, dtype: Any) -> Room:
    """Return the work space for so many columns."""
    return Room(
        take((1, CHUNK), dtype)[0], take((2, CHUNK), np.float64), take(scaled_shape(n_columns), dtype)
    )


@kernel(fastmath=True)
def expand(
    columns: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    loss: int,
    delta: float,
    rare: int | None,
    coef: np.ndarray,
    gradient: np.ndarray,
    hessian: np.ndarray,
    room: Room,
    total: float,
) -> float:
    """Add gradient and Hessian of a loss of one output, without categories, over the rows of a block.

    Parameters
    ----------
    columns : array of shape (n_columns, >= n_rows), float32 or float64
        Dense features.
    y, weight : float64 arrays of shape (n_rows,)
        Targets and weights.
    loss, delta : int, float
        Code of the loss, and its parameter.
    rare : int or None
        None: the loss is the logistic one; a branch on None is decided before this is compiled.
    coef : array of shape (n_columns + 1,), dtype of `columns`
        Where to expand; the last is the intercept.
    gradient, hessian : float64 arrays of shape (n_columns + 1,) and that squared
        Updated: sums over all rows but, of products, over `CHUNK` rows, which have the precision of `columns`.
    room : Room
        See `room_of`.
    total : float
        What the sum of losses is added to.

    Returns
    -------
    float
        Weighted sum of the losses and `total`.
    """
    n = columns.shape[0]
    for start in range(0, y.size, CHUNK):
        stop = min(start + CHUNK, y.size)
        z = room.z[: stop - start]
        residual, curvature = room.slopes[0, : stop - start], room.slopes[1, : stop - start]
        z[:] = coef[n]
        add_linear(columns, start, coef[:n], z)
        some, share = y[start:stop], weight[start:stop]
        if rare is None:
            total += log_curvatures(delta, z, some, share, residual, curvature)
        else:
            total += other_curvatures(loss, delta, z, some, share, residual, curvature)
        add_dense_gradient(columns, start, residual, gradient)
        add_weighted_products(columns, start, curvature, room.scaled, hessian)
    return total


@kernel(fastmath=True)
def expand_raw(
    raw: FloatColumns,
    tiles: TileColumns | None,
    y: np.ndarray,
    weight: np.ndarray,
    loss: int,
    delta: float,
    rare: int | None,
    coef: np.ndarray,
    gradient: np.ndarray,
    hessian: np.ndarray,
    room: Room,
    total: float,
    tile: np.ndarray,
    stored: np.ndarray,
) -> tuple[float, int]:
    """Do `expand` on float32 columns that are standardised tile by tile, with the same bits.

    Parameters
    ----------
    raw, tiles, tile, stored
        See `scalable.kernels.linear.sgd.descend_raw`.
    y, weight, loss, delta, rare, coef, gradient, hessian, room, total
        See `expand`.

    Returns
    -------
    float, int
        As of `expand`, and the row where it stopped: that of a tile that is not to be had so, or the number of rows.
    """
    n_rows = y.size
    widths = np.full(raw.offsets.size, 4)
    first: Any = np.int64(0)
    last: Any = np.int64(0)
    for start in range(0, n_rows, TILE_ROWS):
        stop = min(start + TILE_ROWS, n_rows)
        first, last = standardized(raw, tiles, start, stop, n_rows, widths, first, last, stored, tile)
        if last < 0:
            return total, start
        some, share = y[start:stop], weight[start:stop]
        total = expand(tile, some, share, loss, delta, rare, coef, gradient, hessian, room, total)
    return total, n_rows
