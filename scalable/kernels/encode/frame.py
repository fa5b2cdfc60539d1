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
def _mean(table: Any, single: Any, at: Any) -> Any:
    """Return a value of a table of means."""
    if single:
        return load_f32(table + np.uintp(4) * np.uintp(at))
    return load_f64(table + np.uintp(8) * np.uintp(at))


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
    places = np.empty((hows.size, n), np.int32)
    if not find_places(where, hows, first, places):
        return False
    for s in range(steps.size):
        step = steps[s]
        out = matrix[step.to]
        if step.action in (NUMBER, SINGLE, TIME):
            numbers(where[step.column], first, out)
            continue
        # Read once: for all the compiler knows, the matrix is over them.
        found, count, second = places[step.places], step.count, step.second
        table, width, single = np.uintp(step.table), step.width, step.single
        if step.action == CODE:
            for i in range(n):
                out[i] = np.nan if found[i] >= count else np.float64(found[i])
        elif step.action == PAIR:
            others = places[step.other]
            for i in range(n):
                place = min(np.int64(found[i]), count) * (second + 1) + min(np.int64(others[i]), second)
                out[i] = _mean(table, single, place * width)
        elif step.action in (TEXT, INTEGER):
            for k in range(step.taken):
                column = matrix[step.to + k]
                for i in range(n):
                    column[i] = _mean(table, single, np.int64(found[i]) * width + k)
    return True
