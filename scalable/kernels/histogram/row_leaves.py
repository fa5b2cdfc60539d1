"""Leaves of binned rows: for rows that no partition has sorted, of validation data or outside a bag."""

from __future__ import annotations

import numpy as np

from scalable.kernels.histogram.leaf_sums import NO_LEAF
from scalable.kernels.jit import kernel

_U = np.uint64


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
