"""Moments of every column within every class, of a block and of many."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.data.block import Block
from scalable.data.raw_block import LazyBlock
from scalable.errors import DataError
from scalable.kernels.buffers import take
from scalable.kernels.linear.raw_tiles import room_of_tiles
from scalable.kernels.moments.class_moments import TILE_ROWS, class_moments, masked_moments

FEW_CLASSES = 8  # of more, a mask for each costs more than going row by row
Moments = NDArray[np.float64]  # of shape (3, n_classes + 1, n_columns): weight, mean, squares about the mean


def moments_of(block: Block, n_classes: int) -> tuple[Moments, NDArray[np.float64]]:
    """Return the moments of a block, missing values left out, and the weights of the classes, shape (n_classes,).

    Behind the moments of the classes are those of all rows, unweighted.
    """
    assert block.label is not None
    raw = _of_floats(block, n_classes) if isinstance(block, LazyBlock) and n_classes <= FEW_CLASSES else None
    if raw is not None and raw.shape[2]:  # no value is missing
        return raw, raw[0, :n_classes, 0]
    rows = np.bincount(block.label.astype(np.intp), block.weight, n_classes).astype(np.float64)
    out = np.zeros((3, n_classes + 1, len(block.columns)))
    class_moments(block.columns, block.label, np.empty(0) if block.weight is None else block.weight, out)
    return out, rows


def merged(left: Moments, right: Moments) -> Moments:
    """Return the moments of both (Chan, Golub and LeVeque, 1983)."""
    weight, apart = left[0] + right[0], right[1] - left[1]
    share = right[0] / np.where(weight > 0.0, weight, 1.0)
    with np.errstate(over="ignore", invalid="ignore"):  # who uses them says which column is too large
        squares = left[2] + right[2] + apart**2 * left[0] * share
    return np.stack([weight, left[1] + share * apart, squares])


def check_told(moments: Moments, names: tuple[str, ...], classes: tuple[Any, ...]) -> None:
    """Raise a DataError where a class tells nothing of a column, or a column is too large for its squares."""
    weight, _, squares = moments
    for c, j in np.argwhere(weight[:-1] <= 0.0):
        raise DataError(
            f"column {names[j]!r} has no value of any weight in class {classes[c]!r}: its distribution there is "
            "unknown; leave the column or the class out"
        )
    for j in np.flatnonzero(~np.isfinite(squares).all(axis=0)):
        raise DataError(
            f"column {names[j]!r} is too large: its squares are beyond the range of floating point; scale it"
        )


def _of_floats(block: LazyBlock, n_classes: int) -> Moments | None:
    """Do `moments_of` from columns as they are; None where a value is not finite."""
    raw, tiles = block.raw.columns, block.raw.tiles
    weighted = block.weight is not None
    found = np.zeros((3, n_classes + weighted, len(raw.offsets)))
    like, stored = np.empty(0, block.raw.dtype), take((1, room_of_tiles(raw, tiles, TILE_ROWS)), np.float32)
    weight = block.weight if block.weight is not None else np.empty(0)
    assert block.label is not None
    if not masked_moments(raw, tiles, like, block.label, weight, stored[0], found):
        return None
    if weighted:
        return found
    whole = reduce(
        merged, (found[:, c] for c in range(n_classes))
    )  # without weights, all rows are those of the classes
    return np.concatenate([found, whole[:, None]], axis=1)
