"""Rows to features, cosines or kernels with landmarks, to scores, and to gradients of a loss; sixteen rows at a time.

Features stay in the nearest caches: 4,096 of sixteen rows are 256 KiB, and are never written anywhere else.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scalable.kernels.cosines import sixteen_rows
from scalable.kernels.cosines.sixteen_rows import (
    add_sums,
    cosines,
    hadamard2,
    hadamard4,
    hadamard8,
    hadamard16,
    project,
    signed16,
    signed16_of4,
)
from scalable.kernels.cosines.sixteen_sums import gaussians
from scalable.kernels.jit import kernel
from scalable.kernels.linear.gradients import gradients, log_gradients

ROWS, BYTES, FEATURES = sixteen_rows.ROWS, sixteen_rows.BYTES, sixteen_rows.FEATURES
FARTHEST = 1e30  # from the centre: sums along directions stay finite
Floats = NDArray[np.float32]


class Directions(NamedTuple):
    """Along what the features go; `n` is their number, up to the next multiple of 16.

    They are cosines, of turns, or powers of two: kernels ``2 ** (dense x + shift - scale |x|^2)`` with landmarks.

    Attributes
    ----------
    centre : float64 array of shape (n_columns,)
        Taken away from the rows.
    signs : float32 array of shape (3, n_blocks, d)
        Of products of Hadamard matrices, d a power of two of 128 or more; empty where `dense` is given.
    dense : float32 array of shape (n, n_columns)
        Directions; empty where `signs` are given.
    shift : float32 array of shape (n,)
    scale : np.float32
        What products with the signs are multiplied by; of kernels, see above.
    gaussian : bool
        Whether they are kernels.
    """

    centre: NDArray[np.float64]
    signs: Floats
    dense: Floats
    shift: Floats
    scale: np.float32
    gaussian: bool = False


@kernel(inline=True)
def place_behind(array: np.ndarray, n_bytes: int) -> Any:
    """Return the address so many bytes behind the beginning of an array."""
    return np.uintp(np.int64(array.ctypes.data) + n_bytes)


@kernel(inline=True)
def parts_of_room(room: np.ndarray, columns: np.ndarray, along: Any, behind: int) -> Any:
    """Return a tile's room: for its columns, cleared, for its cosines, and the last `behind` rows."""
    top = room.shape[0] - behind
    width = along.signs.shape[2] if along.signs.size else columns.shape[0] + 1
    room[:width] = np.float32(0.0)
    return room[:width], room[width:top], room[top:]


@kernel(inline=True)
def labels_of_tile(
    label: np.ndarray, weight: np.ndarray, first: int, last: int, y: np.ndarray, w: np.ndarray
) -> None:
    """Write labels and weights of up to sixteen rows, all 1 where `weight` is empty; zeros behind `last`."""
    y[:] = np.float32(0.0)
    w[:] = np.float32(0.0)
    for i in range(first, last):
        y[i - first] = np.float32(label[i])
        w[i - first] = np.float32(weight[i]) if weight.size else np.float32(1.0)


@kernel()
def _hadamard(at: int, d: int) -> None:
    """Multiply the values at an address, d / 16 of each of sixteen parts, by the rest of the Hadamard matrix."""
    m = d // 16
    while m > 1:
        r = min(m, 16)
        step = m // r * BYTES
        for base in range(0, d, m):
            for j in range(m // r):
                place = np.uintp(at + (base + j) * BYTES)
                if r == 16:
                    hadamard16(place, np.uintp(step))
                elif r == 8:
                    hadamard8(place, np.uintp(step))
                elif r == 4:
                    hadamard4(place, np.uintp(step))
                else:
                    hadamard2(place, np.uintp(step))
        m //= r


@kernel()
def _signed_products(x: np.ndarray, n_columns: int, signs: np.ndarray, b: int, z: int) -> None:
    """Write, at an address, what sixteen rows are along the directions of block `b` of the signs."""
    at = np.int64(x.ctypes.data)
    n_blocks, d = signs.shape[1], signs.shape[2]
    step = d // 16
    few = n_columns <= 4 * step
    for turn in range(3):
        source = at if turn == 0 else z
        sign = np.int64(signs.ctypes.data) + (turn * n_blocks + b) * d * 4
        for j in range(step):
            to, place = np.uintp(z + j * BYTES), np.uintp(source + j * BYTES)
            one, far, near = np.uintp(sign + 4 * j), np.uintp(step * BYTES), np.uintp(4 * step)
            if few and turn == 0:
                signed16_of4(to, place, far, one, near)
            else:
                signed16(to, place, far, one, near)
        _hadamard(z, d)


@kernel()
def _tile(columns: np.ndarray, start: int, stop: int, centre: np.ndarray, x: np.ndarray) -> None:
    """Turn up to sixteen rows from `start` on to single precision about the centre; zeros behind `stop`."""
    m = min(ROWS, stop - start)
    for c in range(columns.shape[0]):
        for i in range(m):
            x[c, i] = np.float32(min(max(columns[c, start + i] - centre[c], -FARTHEST), FARTHEST))
        for i in range(m, ROWS):
            x[c, i] = np.float32(0.0)


@kernel()
def _less_squares(x: np.ndarray, n_columns: int, scale: np.float32) -> None:
    """Write, behind the columns of sixteen rows, less `scale` times their squares."""
    offset = x[n_columns]
    offset[:] = np.float32(0.0)
    for c in range(n_columns):
        for i in range(ROWS):
            offset[i] -= scale * x[c, i] * x[c, i]


@kernel()
def scores_of_tile(
    columns: np.ndarray,
    start: int,
    stop: int,
    along: Any,
    coef: np.ndarray,
    intercept: float,
    x: np.ndarray,
    phi: np.ndarray,
    score: np.ndarray,
) -> None:
    """Write the cosines and the scores of up to sixteen rows; of some directions after others, in the nearest cache."""
    _tile(columns, start, stop, along.centre, x)
    score[:] = np.float32(intercept)
    if along.gaussian:
        _less_squares(x, columns.shape[0], along.scale)
    n, n_columns = coef.size, columns.shape[0]
    some = along.signs.shape[2] if along.signs.size else 16 * FEATURES
    for j in range(0, n, some):
        count = min(some, n - j)
        if along.signs.size:
            _signed_products(x, n_columns, along.signs, j // some, np.int64(phi.ctypes.data) + j * BYTES)
        else:
            for k in range(j, j + count, FEATURES):
                directions = place_behind(along.dense, k * n_columns * 4)
                project(place_behind(phi, k * BYTES), place_behind(x, 0), directions, n_columns)
        shift, weights = place_behind(along.shift, 4 * j), place_behind(coef, 4 * j)
        if along.gaussian:
            offset = place_behind(x, n_columns * BYTES)
            gaussians(place_behind(score, 0), place_behind(phi, j * BYTES), shift, weights, offset, count)
        else:
            cosines(place_behind(score, 0), place_behind(phi, j * BYTES), shift, weights, along.scale, count)


@kernel()
def score_rows(
    columns: np.ndarray,
    along: Directions,
    coef: np.ndarray,
    intercept: float,
    room: np.ndarray,
    out: np.ndarray,
) -> None:
    """Write the scores of rows; each depends on its own row alone.

    Parameters
    ----------
    columns : float64 array of shape (n_columns, n_rows)
    along : Directions
    coef : float32 array of shape (n,)
        Of the cosines; 0 behind the last feature.
    intercept : float
    room : float32 array of shape (>= rows_of_room, 16), C-contiguous
        Overwritten.
    out : float64 array of shape (n_rows,)
        Overwritten.
    """
    x, phi, behind = parts_of_room(room, columns, along, 1)
    score = behind[0]
    for start in range(0, out.size, ROWS):
        stop = min(start + ROWS, out.size)
        scores_of_tile(columns, start, stop, along, coef, intercept, x, phi, score)
        for i in range(start, stop):
            out[i] = score[i - start]


@kernel()
def cosines_of_rows(columns: np.ndarray, along: Directions, room: np.ndarray, out: np.ndarray) -> None:
    """Write the cosines of rows, float32 (n_rows, >= n); see `score_rows`."""
    x, phi, behind = parts_of_room(room, columns, along, 1)
    score = behind[0]
    n = along.shift.size
    nothing = np.zeros(n, np.float32)
    for start in range(0, columns.shape[1], ROWS):
        stop = min(start + ROWS, columns.shape[1])
        scores_of_tile(columns, start, stop, along, nothing, 0.0, x, phi, score)
        for i in range(start, stop):
            for j in range(n):
                out[i, j] = phi[j, i - start]


@kernel()
def add_gradient_of_rows(
    code: int | None,
    columns: np.ndarray,
    start: int,
    stop: int,
    label: np.ndarray,
    weight: np.ndarray,
    along: Directions,
    coef: np.ndarray,
    intercept: float,
    room: np.ndarray,
    gradient: np.ndarray,
) -> Any:
    """Add the gradient of a loss of some rows with respect to the coefficients of their cosines.

    Parameters
    ----------
    code : int or None
        Number of the loss; None is the logistic one, and kernels are compiled for nothing else.
    columns, along, coef, intercept, room
        As of `score_rows`; three rows more of room.
    start, stop : int
        Which rows.
    label, weight : float64 arrays of shape (n_rows,) and (n_rows,) or (0,)
        0 or 1; weights, all 1 where empty.
    gradient : float32 array of shape (n,)
        Added to.

    Returns
    -------
    float, float, float
        Sum of losses, of the gradient of the intercept, and of weights.
    """
    x, phi, behind = parts_of_room(room, columns, along, 4)
    score, y, w, slope = behind[0], behind[1], behind[2], behind[3]
    loss = bias = total = 0.0
    for first in range(start, stop, ROWS):
        last = min(first + ROWS, stop)
        scores_of_tile(columns, first, last, along, coef, intercept, x, phi, score)
        labels_of_tile(label, weight, first, last, y, w)
        if code is None:  # a branch on None is decided by the type of an argument, before it is compiled
            loss += log_gradients(score, y, w, slope)
        else:
            loss += gradients(code, 1.0, score, y, w, slope)
        for i in range(last - first):
            bias += np.float64(slope[i])
            total += np.float64(w[i])
        for j in range(0, coef.size, 16):
            add_sums(place_behind(gradient, 4 * j), place_behind(phi, j * BYTES), place_behind(slope, 0))
    return loss, bias, total


@kernel(fastmath=True)
def times_vector(matrix: np.ndarray, vector: np.ndarray, out: np.ndarray) -> None:
    """Write the product of a float32 matrix and a vector; BLAS would add up in an order of the machine's threads."""
    for i in range(matrix.shape[0]):
        row, total = matrix[i], np.float32(0.0)
        for j in range(vector.size):
            total += row[j] * vector[j]
        out[i] = total


def room_for(along: Directions, n_classes: int = 1) -> int:
    """Return the rows of room that the kernels need for so many directions and classes."""
    signs = along.signs
    features = (
        (signs.shape[1] + 1) * signs.shape[2] if signs.size else len(along.centre) + 1 + len(along.dense)
    )
    return features + 2 * n_classes + 2
