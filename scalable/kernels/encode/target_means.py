"""Target encoding: counting the target of each level, and giving rows what their level has."""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.jit import kernel

FOLD_BITS = 2
N_FOLDS = 1 << FOLD_BITS
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xD6E8FEB86659FD93)


@kernel(inline=True)
def _fold(row: Any) -> Any:
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
        out[i] = _fold(first_row + i)


@kernel()
def add_targets(
    slots: np.ndarray, target: np.ndarray, first_row: int, counts: np.ndarray, sums: np.ndarray
) -> None:
    """Add rows to the counts and target sums of their slot and fold.

    Parameters
    ----------
    slots : array of shape (n,), int32
        Each below `n_slots`.
    target : array of shape (n,), float64
        Values, or class indices where `sums` has more than one sum a slot.
    first_row : int
        Index of the first row in the dataset, which decides on folds.
    counts : array of shape (n_slots, N_FOLDS), uint32
        Updated.
    sums : array of shape (n_slots, N_FOLDS, n_means), uint32 or float64
        Updated: sums of the target, or rows of each class.
    """
    n_means = sums.shape[2]
    for i in range(slots.size):
        slot, fold = np.int64(slots[i]), _fold(first_row + i)
        counts[slot, fold] += np.uint32(1)
        value = target[i]
        if n_means == 1:
            if value != 0.0:
                sums[slot, fold, 0] += value
        elif value < n_means:
            sums[slot, fold, np.int64(value)] += 1


@kernel()
def take_rates(slots: np.ndarray, table: np.ndarray, out: np.ndarray) -> None:
    """Write the rows of a table that belong to slots, as columns.

    Parameters
    ----------
    slots : array of shape (n,), int32
        Each below `n_slots`.
    table : array of shape (n_slots, width)
        A slot's values lie together, because a random place in memory is what this costs.
    out : array of shape (width, n)
        Output.
    """
    if out.shape[0] == 2:  # by far the most frequent; without an inner loop several rows are fetched at once
        for i in range(slots.size):
            slot = np.int64(slots[i])
            out[0, i] = table[slot, 0]
            out[1, i] = table[slot, 1]
        return
    for i in range(slots.size):
        slot = np.int64(slots[i])
        for k in range(out.shape[0]):
            out[k, i] = table[slot, k]


@kernel()
def take_out_of_fold(slots: np.ndarray, first_row: int, table: np.ndarray, out: np.ndarray) -> None:
    """Do `take_rates` where each fold of the rows has means of its own.

    Parameters
    ----------
    slots : array of shape (n,), int32
        Each below `n_slots`.
    first_row : int
        Index of the first row in the dataset.
    table : array of shape (n_slots, N_FOLDS * n_means + 1)
        The means of the first fold, of the second, ..., then the share, which all folds have in common.
    out : array of shape (n_means + 1, n)
        Output.
    """
    n_means = out.shape[0] - 1
    if n_means == 1:  # by far the most frequent; without an inner loop several rows are fetched at once
        for i in range(slots.size):
            slot = np.int64(slots[i])
            out[0, i] = table[slot, _fold(first_row + i)]
            out[1, i] = table[slot, N_FOLDS]
        return
    for i in range(slots.size):
        slot, at = np.int64(slots[i]), _fold(first_row + i) * n_means
        for k in range(n_means):
            out[k, i] = table[slot, at + k]
        out[n_means, i] = table[slot, N_FOLDS * n_means]
