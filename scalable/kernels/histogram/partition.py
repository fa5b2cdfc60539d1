"""Which child each row of a leaf goes to, rows gathered by leaf, and the leaves of rows that were not partitioned."""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.jit import kernel
from scalable.kernels.prefetch import AHEAD, prefetch

NO_LEAF = np.uint32(2**32 - 1)
_U = np.uint64


@kernel()
def partition(column: np.ndarray, goes_left: np.ndarray, rows: np.ndarray, scratch: np.ndarray) -> Any:
    """Order a leaf's rows by child, left ones first, each in the order they had; return how many go left.

    Parameters
    ----------
    column : uint8 or uint16 array (n_rows,)
        Bins of the column that is split on.
    goes_left : uint8 array (n_bins,)
        1 for bins whose rows go left, 0 for the others.
    rows : uint32 array (n_chosen,)
        The leaf's rows, reordered in place.
    scratch : uint32 array, at least (n_chosen,)
        Working space.
    """
    n = rows.shape[0]
    left = right = _U(0)
    for i in range(n):
        if i + AHEAD < n:
            prefetch(column, _U(rows[_U(i + AHEAD)]))
        row = rows[_U(i)]
        goes = _U(goes_left[_U(column[_U(row)])])
        # Both are written and one counts: no branch that nobody could predict.
        rows[left] = row
        scratch[right] = row
        left += goes
        right += _U(1) - goes
    for i in range(right):
        rows[left + _U(i)] = scratch[_U(i)]
    return np.int64(left)


@kernel()
def transpose(columns: np.ndarray, start: int, stop: int, bins: np.ndarray) -> None:
    """Copy rows [start, stop) of column-major bins, shape (n_columns, n_rows), into row-major ones."""
    n_columns = columns.shape[0]
    strip = 64  # rows whose lines stay in cache
    for low in range(start, stop, strip):
        high = min(stop, low + strip)
        for j in range(n_columns):
            for i in range(low, high):
                bins[_U(i), _U(j)] = columns[_U(j), _U(i)]


@kernel()
def number_rows(rows: np.ndarray) -> None:
    """Write 0, 1, 2, ... into a uint32 array."""
    for i in range(rows.shape[0]):
        rows[_U(i)] = np.uint32(i)


@kernel()
def chosen_rows(sampled: np.ndarray, rows: np.ndarray) -> Any:
    """Write the rows whose flag is not 0, ascending, into `rows`; return how many.

    Parameters
    ----------
    sampled : uint8 array (n_rows,)
    rows : uint32 array (n_rows,)
    """
    found = _U(0)
    for i in range(sampled.shape[0]):
        rows[found] = np.uint32(i)
        found += _U(1) if sampled[_U(i)] else _U(0)
    return np.int64(found)


@kernel()
def mark_leaves(rows: np.ndarray, starts: np.ndarray, counts: np.ndarray, leaf_of_row: np.ndarray) -> None:
    """Write every row's leaf.

    Parameters
    ----------
    rows : uint32 array (n_chosen,)
        Rows gathered by leaf.
    starts, counts : int64 array (n_leaves,)
        Where each leaf's rows stand in `rows`.
    leaf_of_row : uint32 array (n_rows,)
        Left alone for rows of no leaf.
    """
    for leaf in range(starts.shape[0]):
        for i in range(starts[leaf], starts[leaf] + counts[leaf]):
            leaf_of_row[_U(rows[_U(i)])] = np.uint32(leaf)


@kernel()
def walk(
    bins: np.ndarray,
    places: np.ndarray,
    goes_left: np.ndarray,
    children: np.ndarray,
    leaf_of_row: np.ndarray,
    node_of_row: np.ndarray,
) -> None:
    """Take rows down a tree as far as its splits are on columns of these bins.

    A tree over columns of two widths is walked over one matrix after the other until every row has arrived.

    Parameters
    ----------
    bins : uint8 or uint16 array (n_rows, n_columns)
    places : int64 array (n_nodes,)
        Column of each node's feature in `bins`, -1 where it is in the other matrix.
    goes_left : uint8 array (n_nodes, most bins)
        1 for bins whose rows go left.
    children : int64 array (n_nodes, 2)
        Left and right; ``~leaf`` for leaves.
    leaf_of_row : uint32 array (n_rows,)
        Rows other than `NO_LEAF` are left alone.
    node_of_row : uint32 array (n_rows,)
        Where each row stands; written.
    """
    for i in range(bins.shape[0]):
        if leaf_of_row[_U(i)] != NO_LEAF:
            continue
        node = np.int64(node_of_row[_U(i)])
        while node >= 0 and places[_U(node)] >= 0:
            at = _U(bins[_U(i), _U(places[_U(node)])])
            node = children[_U(node), _U(1) - _U(goes_left[_U(node), at])]
        if node < 0:
            leaf_of_row[_U(i)] = np.uint32(~node)
        else:
            node_of_row[_U(i)] = np.uint32(node)
