"""A map of cosines as the kernels of single precision take it, about a centre, so that no digits go to an offset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.data.block import Block
from scalable.kernel_approximation.feature_map import LEAST_WIDTH, along
from scalable.kernels.buffers import aligned
from scalable.kernels.cosines.cosine_rows import Directions, Floats, room_for, score_rows
from scalable.kernels.cosines.sixteen_rows import ROWS

TURN = 2.0 * np.pi


def directions_of(arrays: Mapping[str, NDArray[Any]]) -> Directions:
    """Return the directions of a map of `draw_map` that has a ``centre``.

    Raises
    ------
    ValueError
        When the arrays do not belong together: kernels read them by their addresses.
    """
    centre, shift = np.asarray(arrays["centre"], np.float64), np.asarray(arrays["shift"], np.float64)
    if centre.ndim != 1 or shift.ndim != 1 or not shift.size:
        raise ValueError(f"a centre of shape {centre.shape} and shifts of shape {shift.shape}")
    n, p = len(shift), len(centre)
    wide = -(-n // ROWS) * ROWS
    signs, dense, scale = np.empty((3, 0, 0), np.float32), np.empty((0, p), np.float32), 1.0
    if "directions" in arrays:
        dense = aligned((wide, p), np.float32)
        if np.shape(arrays["directions"]) != (n, p):
            raise ValueError(
                f"directions of shape {np.shape(arrays['directions'])} for {p} columns and {n} features"
            )
        dense[:n], dense[n:] = arrays["directions"] / TURN, 0.0
    else:
        signs, scale = np.ascontiguousarray(arrays["signs"], np.float32), float(arrays["scale"]) / TURN
        blocks, d = signs.shape[1:]
        if len(signs) != 3 or d < LEAST_WIDTH or d & (d - 1) or p > d or wide > blocks * d:
            raise ValueError(f"signs of shape {signs.shape} for {p} columns and {n} features")
    turns = np.zeros(wide, np.float32)
    turns[:n] = (shift + along(arrays, centre[:, None])[:, 0]) / TURN % 1.0
    return Directions(centre, signs, dense, turns, np.float32(scale))


def padded(coef: NDArray[Any], directions: Directions) -> Floats:
    """Return the coefficients of features as those of their cosines, float32, zeros behind the last."""
    out = np.zeros(len(directions.shift), np.float32)
    out[: len(coef)] = coef * np.sqrt(2.0 / len(coef))
    return out


def room(directions: Directions) -> Floats:
    """Return memory for the kernels to compute in."""
    return np.asarray(aligned((room_for(directions), ROWS), np.float32))


def readied(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Return arrays of a model whose map has a ``centre``, and what `scores_of` makes of them once.

    Raises
    ------
    ValueError
        When the arrays do not belong together.
    """
    directions, coef = directions_of(arrays), arrays["coef"]
    if coef.shape != arrays["shift"].shape:
        raise ValueError(f"{coef.shape} coefficients for {arrays['shift'].shape} features")
    return {**arrays, "along": directions, "weights": padded(coef, directions)}


def scores_of(ready: Mapping[str, Any], block: Block) -> NDArray[np.float64]:
    """Return the scores of a block by coefficients that were learned in single precision, shape (n_rows,).

    Raises
    ------
    ValueError
        When the block has other columns.
    """
    directions: Directions = ready["along"]
    if len(block.columns) != len(directions.centre):
        raise ValueError(f"{len(block.columns)} columns for {len(directions.centre)} of the model")
    out = np.empty(block.n_rows)
    columns = np.ascontiguousarray(block.columns, np.float64)
    score_rows(columns, directions, ready["weights"], float(ready["intercept"]), room(directions), out)
    return out
