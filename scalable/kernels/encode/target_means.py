"""Target encoding: summing the target by cell (a bucket of categories, or a pair), and giving rows their cell's."""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.jit import kernel

FOLD_BITS = 2
N_FOLDS = 1 << FOLD_BITS
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xD6E8FEB86659FD93)


@kernel(inline=True)
def _fold_of(row: Any) -> Any:
    mixed = np.uint64(row) * _GOLDEN
    mixed = (mixed ^ (mixed >> np.uint64(32))) * _MIX
    return np.int64(mixed >> np.uint64(64 - FOLD_BITS))


@kernel()
def folds_of(first_row: int, out: np.ndarray) -> None:
    """Write the fold, below ``N_FOLDS``, of consecutive rows of the dataset; it looks random.

    Parameters
    ----------
    first_row : int
        Index of the first row.
    out : array of shape (n,)
        Output.
    """
    for i in range(out.size):
        out[i] = _fold_of(first_row + i)


@kernel()
def add_targets(
    cells: np.ndarray, target: np.ndarray, first_row: int, counts: np.ndarray, sums: np.ndarray
) -> None:
    """Add rows to the counts and target sums of their cell and fold.

    Parameters
    ----------
    cells : array of shape (n,), int32
        Each below `n_cells`.
    target : array of shape (n,), float64
        Values, or class indices where `sums` has more than one sum a cell.
    first_row : int
        Index of the first row in the dataset, which decides on folds.
    counts : array of shape (n_cells, N_FOLDS), uint32
        Updated.
    sums : array of shape (n_cells, N_FOLDS, n_means), uint32 or float64
        Updated: sums of the target, or rows of each class.
    """
    n_means = sums.shape[2]
    for i in range(cells.size):
        cell, fold = np.int64(cells[i]), _fold_of(first_row + i)
        counts[cell, fold] += np.uint32(1)
        value = target[i]
        if n_means == 1:
            if value != 0.0:
                sums[cell, fold, 0] += value
        elif value < n_means:
            sums[cell, fold, np.int64(value)] += 1


@kernel()
def take_means(cells: np.ndarray, table: np.ndarray, out: np.ndarray) -> None:
    """Write the rows of a table that belong to cells, as columns.

    Parameters
    ----------
    cells : array of shape (n,), int32
        Each below `n_cells`.
    table : array of shape (n_cells, width)
        A cell's values lie together, because a random place in memory is what this costs.
    out : array of shape (width, n)
        Output.
    """
    if out.shape[0] == 2:  # by far the most frequent; without an inner loop several rows are fetched at once
        for i in range(cells.size):
            cell = np.int64(cells[i])
            out[0, i] = table[cell, 0]
            out[1, i] = table[cell, 1]
        return
    for i in range(cells.size):
        cell = np.int64(cells[i])
        for k in range(out.shape[0]):
            out[k, i] = table[cell, k]


@kernel()
def take_cross_fitted(cells: np.ndarray, first_row: int, table: np.ndarray, out: np.ndarray) -> None:
    """Do `take_means` where each fold of the rows has means of its own.

    Parameters
    ----------
    cells : array of shape (n,), int32
        Each below `n_cells`.
    first_row : int
        Index of the first row in the dataset.
    table : array of shape (n_cells, N_FOLDS * n_means + 1)
        The means of the first fold, of the second, ..., then the share, which all folds have in common.
    out : array of shape (n_means + 1, n)
        Output.
    """
    n_means = out.shape[0] - 1
    if n_means == 1:  # by far the most frequent; without an inner loop several rows are fetched at once
        for i in range(cells.size):
            cell = np.int64(cells[i])
            out[0, i] = table[cell, _fold_of(first_row + i)]
            out[1, i] = table[cell, N_FOLDS]
        return
    for i in range(cells.size):
        cell, at = np.int64(cells[i]), _fold_of(first_row + i) * n_means
        for k in range(n_means):
            out[k, i] = table[cell, at + k]
        out[n_means, i] = table[cell, N_FOLDS * n_means]
