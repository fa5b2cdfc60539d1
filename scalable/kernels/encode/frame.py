"""The rows of a frame to the matrix that trees split, all columns in one call."""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.encode.frame_columns import numbers
from scalable.kernels.encode.frame_places import find_places
from scalable.kernels.encode.request import CODE, INTEGER, NUMBER, PAIR, SINGLE, TEXT, TIME
from scalable.kernels.jit import kernel
from scalable.kernels.memory import load_f32, load_f64

STEP = np.dtype(
    [
        ("action", np.int64),  # as of a packed row, see ``request``
        ("column", np.int64),  # of the frame
        ("places", np.int64),  # row of the places
        ("other", np.int64),  # of a pair's second column
        ("to", np.int64),  # first encoded column
        ("count", np.int64),  # categories or buckets
        ("second", np.int64),  # categories of a pair's second column
        ("table", np.int64),  # address of the means
        ("width", np.int64),  # of the table
        ("single", np.int64),  # whether the table is float32
        ("taken", np.int64),  # columns of the table that are taken
    ]
)


@kernel(inline=True)
def _mean(step: Any, place: Any, k: Any) -> Any:
    at = np.uintp(place * step.width + k)
    if step.single:
        return load_f32(np.uintp(step.table) + np.uintp(4) * at)
    return load_f64(np.uintp(step.table) + np.uintp(8) * at)


@kernel()
def encode_trees(
    where: np.ndarray, hows: np.ndarray, steps: np.ndarray, first: int, matrix: np.ndarray
) -> bool:
    """Write the columns of the matrix for rows from `first` on.

    Parameters
    ----------
    where, hows, first
        As for `find_places`.
    steps : STEP array of shape (n_steps,)
        What becomes of the columns and their places.
    matrix : float64 array of shape (n_encoded, n_rows)
        Output.

    Returns
    -------
    bool
        As of `find_places`.
    """
    n = matrix.shape[1]
    places, wide = np.empty((hows.size, n), np.int32), np.empty(n, np.int64)
    if not find_places(where, hows, first, places):
        return False
    for s in range(steps.size):
        step = steps[s]
        out = matrix[step.to]
        if step.action in (NUMBER, SINGLE, TIME):
            numbers(where[step.column], first, wide, out)
        elif step.action == CODE:
            for i in range(n):
                code = places[step.places, i]
                out[i] = np.nan if code >= step.count else np.float64(code)
        elif step.action == PAIR:
            for i in range(n):
                one = min(np.int64(places[step.places, i]), step.count)
                other = min(np.int64(places[step.other, i]), step.second)
                out[i] = _mean(step, one * (step.second + 1) + other, 0)
        elif step.action in (TEXT, INTEGER):
            for k in range(step.taken):
                column = matrix[step.to + k]
                for i in range(n):
                    column[i] = _mean(step, np.int64(places[step.places, i]), k)
    return True
