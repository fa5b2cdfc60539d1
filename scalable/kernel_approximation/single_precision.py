"""A map of cosines as the kernels of single precision take it, about a centre, so that no digits go to an offset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.data.block import Block
from scalable.kernel_approximation.feature_map import LEAST_WIDTH, along
from scalable.kernels.buffers import aligned
from scalable.kernels.cosines.class_rows import score_classes
from scalable.kernels.cosines.cosine_rows import Directions, Floats, room_for, score_rows
from scalable.kernels.cosines.sixteen_rows import ROWS

TURN = 2.0 * np.pi
NOWHERE = -1e9  # power of two of a kernel with no landmark


def directions_of(arrays: Mapping[str, NDArray[Any]]) -> Directions:
    """Return the directions of a map of `draw_map`, of cosines or landmarks, that has a ``centre``.

    Raises
    ------
    ValueError
        When the arrays do not belong together: kernels read them by their addresses.
    """
    centre = np.asarray(arrays["centre"], np.float64)
    if "landmarks" in arrays:
        return _landmark_directions(
            centre, np.asarray(arrays["landmarks"], np.float64), float(arrays["gamma"])
        )
    shift = np.asarray(arrays["shift"], np.float64)
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


def _landmark_directions(
    centre: NDArray[np.float64], landmarks: NDArray[np.float64], gamma: float
) -> Directions:
    """Return those of kernels: ``exp(-gamma |x - l|^2)`` as a power of two, written out about the centre."""
    n, p = np.shape(landmarks)
    if centre.shape != (p,) or not n:
        raise ValueError(f"a centre of shape {centre.shape} and landmarks of shape {landmarks.shape}")
    wide, strength = -(-n // ROWS) * ROWS, gamma / np.log(2.0)
    dense, shift = aligned((wide, p), np.float32), np.zeros(wide, np.float32)
    apart = landmarks - centre
    dense[:n], dense[n:] = 2.0 * strength * apart, 0.0
    shift[:n], shift[n:] = -strength * (apart**2).sum(axis=1), NOWHERE
    return Directions(centre, np.empty((3, 0, 0), np.float32), dense, shift, np.float32(strength), True)


def padded(weights: NDArray[Any], directions: Directions) -> Floats:
    """Return weights of what kernels make, (..., n), as float32, zeros behind the last."""
    out = np.zeros((*np.shape(weights)[:-1], len(directions.shift)), np.float32)
    out[..., : np.shape(weights)[-1]] = weights
    return out


def room(directions: Directions, n_classes: int = 1) -> Floats:
    """Return memory for the kernels to compute in."""
    return np.asarray(aligned((room_for(directions, n_classes), ROWS), np.float32))


def to_features(values: NDArray[Any], whiten: NDArray[Any] | None) -> NDArray[Any]:
    """Return what belongs to what kernels make, (..., n), as what belongs to features, or the reverse.

    Features are cosines times the root of two over their number, or kernels times the symmetric matrix `whiten`.
    """
    if whiten is not None:
        return np.asarray(values @ whiten)
    return np.asarray(values * np.sqrt(2.0 / values.shape[-1]))


def readied(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Return arrays of a model whose map has a ``centre``, and what `scores_of` makes of them once.

    Raises
    ------
    ValueError
        When the arrays do not belong together.
    """
    directions, coef = directions_of(arrays), np.asarray(arrays["coef"], np.float64)
    whiten, n = arrays.get("whiten"), len(arrays["landmarks" if directions.gaussian else "shift"])
    if coef.ndim > 2 or coef.shape[-1:] != (n,) or arrays["intercept"].shape != coef.shape[:-1]:
        raise ValueError(f"coefficients of shape {coef.shape} for {n} features")
    if whiten is not None and whiten.shape != (n, n):
        raise ValueError(f"a matrix of shape {whiten.shape} for {n} landmarks")
    return {**arrays, "along": directions, "weights": padded(to_features(coef, whiten), directions)}


def scores_of(ready: Mapping[str, Any], block: Block) -> NDArray[np.float64]:
    """Return the scores of a block by coefficients that were learned in single precision, shape (n_classes, n_rows).

    Of two classes that of the first is zero.

    Raises
    ------
    ValueError
        When the block has other columns.
    """
    directions: Directions = ready["along"]
    if len(block.columns) != len(directions.centre):
        raise ValueError(f"{len(block.columns)} columns for {len(directions.centre)} of the model")
    columns, weights = np.ascontiguousarray(block.columns, np.float64), ready["weights"]
    if weights.ndim == 1:
        out = np.zeros((2, block.n_rows))
        score_rows(columns, directions, weights, float(ready["intercept"]), room(directions), out[1])
        return out
    out = np.empty((len(weights), block.n_rows))
    intercept = np.asarray(ready["intercept"], np.float64)
    score_classes(columns, directions, weights, intercept, room(directions, len(weights)), out)
    return out
