"""Rows of feature-major columns, put in another order."""

from __future__ import annotations

import numpy as np

from scalable.kernels.jit import kernel


@kernel()
def take_rows(columns: np.ndarray, rows: np.ndarray, out: np.ndarray) -> None:
    """Copy ``columns[:, rows]`` to `out`.

    Parameters
    ----------
    columns : array of shape (k, n)
        Feature-major values.
    rows : int64 array of shape (m,)
        Places in ``[0, n)``; not checked.
    out : array of shape (k, m)
        Filled, of the dtype of `columns`.
    """
    for j in range(columns.shape[0]):
        column, to = columns[j], out[j]
        for i in range(to.size):
            to[i] = column[np.uint64(rows[i])]
