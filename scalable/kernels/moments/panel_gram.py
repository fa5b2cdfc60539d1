"""Second moments of columns, from where they are in memory: no copy of a block, and half of the products.

BLAS wants the whole block as one centred matrix: making it writes and reads the block four times. Here rows are turned,
a tile at a time, into panels of 32 columns, each in the nearest cache while those before it are multiplied with it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from scalable.kernels import register_tiles
from scalable.kernels.jit import kernel
from scalable.kernels.memory import as_pointer
from scalable.kernels.moments.turning import turn_eight
from scalable.kernels.register_tiles import add_products, place_of
from scalable.kernels.vectors import LANES

TILE_ROWS = 64
PANEL = 32  # columns: of a tile, 16 KiB
MOST, FOUR = register_tiles.MOST, register_tiles.FOUR


@kernel()
def _add_tile(panels: np.ndarray, n_rows: int, groups: int, square: np.ndarray) -> None:
    """Add the products of the rows of a tile, panel by panel: those of each four columns and all behind them."""
    wide, step = square.shape[1], np.uintp(8 * PANEL)
    out_step, size = np.uintp(8 * wide), TILE_ROWS * PANEL
    for q in range(panels.shape[0]):
        last = min(PANEL // LANES, groups - q * (PANEL // LANES))
        for a in range(0, min(square.shape[0], (q + 1) * PANEL), FOUR):
            one = place_of(panels, a // PANEL * size + a % PANEL)
            v = max(0, a - q * PANEL) // LANES
            while v < last:
                out, other = (
                    place_of(square, a * wide + q * PANEL + v * LANES),
                    place_of(panels, q * size + v * LANES),
                )
                count = min(last - v, MOST)
                add_products(count, out, out_step, one, other, step, n_rows)
                v += count


@kernel()
def _fill_tile(
    places: np.ndarray,
    like: np.ndarray,
    start: int,
    n_rows: int,
    shift: np.ndarray,
    total: np.ndarray,
    panels: np.ndarray,
) -> None:
    """Turn rows from `start` on into panels, less `shift`, and add them to `total`; there are eight more places."""
    eights, size, width = n_rows // LANES, TILE_ROWS * PANEL, np.int64(like.itemsize)
    for g in range(shift.size // LANES):
        out = g * LANES // PANEL * size + g * LANES % PANEL
        turn_eight(
            place_of(panels, out), np.uintp(8 * PANEL), place_of(places, g * LANES), np.uintp(start * width), like,
            place_of(shift, g * LANES), place_of(total, g * LANES), eights,
        )  # fmt: skip
    if eights * LANES == n_rows:
        return
    for j in range(shift.size):
        x, panel, c = _column(places[j], like, start + n_rows), panels[j // PANEL], j % PANEL
        for i in range(eights * LANES, n_rows):
            panel[i, c] = np.float64(x[start + i]) - shift[j]
            total[j] += panel[i, c]


@kernel(inline=True)
def _column(place: int, like: np.ndarray, n_rows: int) -> Any:
    """Return the values of a column at an address."""
    return carray(as_pointer(place), (n_rows,), like.dtype)


@kernel(fastmath=True)
def second_moments(
    addresses: np.ndarray,
    like: np.ndarray,
    n_rows: int,
    panels: np.ndarray,
    mean: np.ndarray,
    square: np.ndarray,
) -> bool:
    """Write the means of columns and the sums of products about them, upper part.

    Sums are of differences to the means of the first rows, so that columns far from zero keep their digits.

    Parameters
    ----------
    addresses : uint64 array of shape (d,)
        Where the values of each column are; one row at least.
    like : array of shape (0,), float32 or float64
        Of their dtype.
    n_rows : int
    panels : float64 array of shape (d / `PANEL` or one more, `TILE_ROWS`, `PANEL`)
        Work space on a cache line.
    mean : float64 array of shape (d,)
        Output.
    square : float64 array of shape (d up to the next multiple of `FOUR`, columns of all panels)
        Output, on a cache line.

    Returns
    -------
    bool
        Whether all values are finite; otherwise the output is of no use.
    """
    d = addresses.size
    groups = (d + LANES - 1) // LANES
    wide = groups * LANES
    places = np.full(wide + LANES, addresses[d - 1])  # what follows the last column is that one again
    places[:d] = addresses
    places[wide:] = places[:LANES] + np.uint64(TILE_ROWS * like.itemsize)  # the next tile's first
    shift, total = np.zeros(wide), np.zeros(wide)
    m = min(TILE_ROWS, n_rows)
    for j in range(wide):
        x = _column(places[j], like, m)
        first = np.float64(x[0])
        for i in range(m):
            shift[j] += np.float64(x[i]) - first
        shift[j] = first + shift[j] / m
    square[:] = 0.0
    for start in range(0, n_rows, TILE_ROWS):
        m = min(TILE_ROWS, n_rows - start)
        _fill_tile(places, like, start, m, shift, total, panels)
        _add_tile(panels, m, groups, square)
    for j in range(d):
        if total[j] - total[j] != 0.0:
            return False
        mean[j] = shift[j] + total[j] / n_rows
        for k in range(j, d):
            square[j, k] -= total[j] * total[k] / n_rows
    return True
