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


@kernel(inline=True)
def _take(column: np.ndarray, rows: np.ndarray, out: np.ndarray) -> None:
    for i in range(
        rows.size
    ):  # unsigned places, which need no look for negative ones, are gathered in vectors
        out[i] = column[rows[i]]


@kernel()
def deal_rows(
    column: np.ndarray, rows: np.ndarray, edges: np.ndarray, k: int, j: int, out: np.ndarray
) -> None:
    """Copy ``column[rows]`` to row `j` of feature-major blocks that lie one behind the other.

    Column by column, what is read at random stays in the cache.

    Parameters
    ----------
    column : array of shape (n,)
        Values.
    rows : uint32 array of shape (n,)
        Places in ``[0, n)``; not checked.
    edges : int64 array
        Where blocks begin among `rows`, and the end.
    k, j : int
        Columns of the blocks, and which of them this is.
    out : array of shape (k * n,)
        Written to, of the dtype of `column`.
    """
    for b in range(edges.size - 1):
        start, size = edges[b], edges[b + 1] - edges[b]
        _take(column, rows[start : start + size], out[k * start + j * size : k * start + (j + 1) * size])
