"""Rows of feature-major columns, put in another order, and columns that are first standardised for it."""

from __future__ import annotations

import numpy as np
from numba import carray

from scalable.kernels.encode.encoding import encode_floats
from scalable.kernels.jit import kernel
from scalable.kernels.linear.records import FloatColumns
from scalable.kernels.memory import as_pointer
from scalable.kernels.parquet.files import read_rows


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
        some, to = rows[start : start + size], out[k * start + j * size : k * start + (j + 1) * size]
        # Unsigned places, which need no look for negative ones, are gathered in vectors.
        for i in range(size):
            to[i] = column[some[i]]


@kernel()
def standardize_column(raw: FloatColumns, j: int, stored: np.ndarray, out: np.ndarray) -> bool:
    """Standardise column `j` of rows that are in memory or in their file.

    Parameters
    ----------
    raw : FloatColumns
        The rows.
    stored : array of shape (>= n,), float32
        Work space.
    out : array of shape (n,), float32
        Output, as many as there are rows.

    Returns
    -------
    bool
        False where a value is NaN or infinite, or cannot be read.
    """
    n = out.size
    if raw.addresses.size:
        x = carray(as_pointer(raw.addresses[j]), (n,), np.float32)
        return bool(encode_floats(x, raw.units[j], raw.offsets[j], raw.scales[j], out) == 0)
    to = np.int64(stored.ctypes.data)
    if read_rows(raw.descriptor, raw.places, raw.bounds[j], raw.bounds[j + 1], 4, raw.first_row, n, to) >= 0:
        return False
    return bool(encode_floats(stored[:n], raw.units[j], raw.offsets[j], raw.scales[j], out) == 0)
