"""Plain columns where they are, in memory, in their file or compressed: a tile of rows at a time, in the near cache."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from scalable.kernels.encode.encoding import encode_floats
from scalable.kernels.jit import kernel
from scalable.kernels.linear.records import FloatColumns
from scalable.kernels.memory import as_pointer
from scalable.kernels.parquet.files import gather
from scalable.kernels.parquet.tiles import TileColumns, tile_address

READ_BYTES = 2**22  # of columns read from their file at once


def room_of_tiles(raw: FloatColumns, tiles: TileColumns | None, tile_rows: int) -> int:
    """Return the values of the kernels' work space: a tile, or what is read of a file at once."""
    if tiles is not None or raw.addresses.size:
        return tile_rows
    most = READ_BYTES // (4 * tile_rows * raw.offsets.size)
    return tile_rows * raw.offsets.size * max(1, most)


@kernel(inline=True)
def fetched(
    raw: FloatColumns,
    tiles: TileColumns | None,
    start: int,
    stop: int,
    n_rows: int,
    widths: np.ndarray,
    first: int,
    last: int,
    stored: np.ndarray,
) -> Any:
    """Read on in the file, where columns are plain there and the rows up to `stop` are not read yet.

    Parameters
    ----------
    raw, tiles
        The columns; `tiles` where they are compressed: a branch on None is decided before this is compiled.
    start, stop, n_rows : int
        A tile, and the rows of the block.
    widths : int64 array of shape (n_columns,)
        Bytes of a value: 4.
    first, last : int
        The rows that are in `stored`.
    stored : float32 array of shape (`room_of_tiles`,)
        Work space.

    Returns
    -------
    int, int
        As `first` and `last`; the second is -1 where the file cannot be read.
    """
    n_columns = raw.offsets.size
    if tiles is None and not raw.addresses.size and stop > last:
        end = min(start + stored.size // n_columns, n_rows)
        to = stored.view(np.uint8)
        row = raw.first_row + start
        if gather(raw.descriptor, raw.places, raw.bounds, widths, row, end - start, to) >= 0:
            return start, np.int64(-1)
        return start, end
    return first, last


@kernel(inline=True)
def place_of_tile(
    raw: FloatColumns,
    tiles: TileColumns | None,
    j: int,
    start: int,
    stop: int,
    width: int,
    first: int,
    last: int,
    stored: np.ndarray,
) -> Any:
    """Return the address of the values of column `j` in a tile, after `fetched`; 0 where they cannot be had."""
    here = np.int64(stored.ctypes.data)
    if tiles is not None:
        return np.int64(tile_address(tiles, j, raw.first_row + start, stop - start, here))
    if raw.addresses.size:
        return np.int64(raw.addresses[j]) + start * width
    return here + 4 * (j * (last - first) + start - first)


@kernel(inline=True)
def standardized(
    raw: FloatColumns,
    tiles: TileColumns | None,
    start: int,
    stop: int,
    n_rows: int,
    widths: np.ndarray,
    first: int,
    last: int,
    stored: np.ndarray,
    tile: np.ndarray,
) -> Any:
    """Write the standardised float32 values of a tile to `tile`, shape (n_columns, >= stop - start).

    Returns
    -------
    int, int
        As of `fetched`; the second is -1 also where a value is NaN or infinite, or cannot be had.
    """
    first, last = fetched(raw, tiles, start, stop, n_rows, widths, first, last, stored)
    if last < 0:
        return first, last
    bad = 0
    for j in range(raw.offsets.size):
        at = place_of_tile(raw, tiles, j, start, stop, 4, first, last, stored)
        if at == 0:
            return first, np.int64(-1)
        x = carray(as_pointer(np.uintp(at)), (stop - start,), np.float32)
        bad += encode_floats(x, raw.units[j], raw.offsets[j], raw.scales[j], tile[j, : stop - start])
    return first, np.int64(-1) if bad else last
