"""Rows and the centers nearest to them."""

from __future__ import annotations

import numpy as np

from scalable.kernels.jit import kernel

TOGETHER = 512  # rows whose distances stay in the nearest cache


@kernel()
def nearest_centers(
    columns: np.ndarray, centers: np.ndarray, nearest: np.ndarray, squares: np.ndarray
) -> None:
    """Find the nearest center of every row; of equally near ones, the first.

    Parameters
    ----------
    columns : float64 array of shape (n_columns, n_rows)
        Rows, none of them missing a value.
    centers : float64 array of shape (k, n_columns)
    nearest : int64 array of shape (n_rows,)
        Output: index of the center.
    squares : float64 array of shape (n_rows,)
        Output: squared distance to it.
    """
    n_columns, n_rows = columns.shape
    distance = np.empty(TOGETHER)
    for start in range(0, n_rows, TOGETHER):
        m = min(TOGETHER, n_rows - start)
        best = squares[start : start + m]
        which = nearest[start : start + m]
        best[:] = np.inf
        which[:] = 0
        for k in range(centers.shape[0]):
            distance[:m] = 0.0
            for j in range(n_columns):
                values = columns[j, start : start + m]
                center = centers[k, j]
                for i in range(m):
                    gap = values[i] - center
                    distance[i] += gap * gap
            for i in range(m):
                closer = distance[i] < best[i]
                best[i] = distance[i] if closer else best[i]
                which[i] = k if closer else which[i]


@kernel()
def add_to_clusters(
    columns: np.ndarray, nearest: np.ndarray, centers: np.ndarray, counts: np.ndarray, sums: np.ndarray
) -> None:
    """Add every row, less its center, to the sums of its cluster.

    Parameters
    ----------
    columns : float64 array of shape (n_columns, n_rows)
    nearest : int64 array of shape (n_rows,)
        Clusters, each below k.
    centers : float64 array of shape (k, n_columns)
    counts : float64 array of shape (k,)
        Updated.
    sums : float64 array of shape (k, n_columns)
        Updated.
    """
    n_columns, n_rows = columns.shape
    for i in range(n_rows):
        counts[nearest[i]] += 1.0
    for start in range(0, n_rows, TOGETHER):
        stop = min(n_rows, start + TOGETHER)
        for j in range(n_columns):
            values = columns[j]
            for i in range(start, stop):
                k = nearest[i]
                sums[k, j] += values[i] - centers[k, j]
