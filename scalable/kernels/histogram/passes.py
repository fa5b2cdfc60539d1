"""One piece of the rows in a pass over all of them: rows go down to the newest nodes and are summed by node.

A pass serves every node that is to be split at once, where rows lie on disk and are read once for all of them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from scalable.kernels.histogram.accumulate import flush
from scalable.kernels.histogram.teamwork import add_block
from scalable.kernels.jit import kernel

_U = np.uint64


class Descent(NamedTuple):
    """Splits that rows have not gone down yet.

    Attributes
    ----------
    split_of : int64 array (n_nodes,)
        Of each node its split here; -1 for none.
    wide, column : int64 array (n_splits,)
        Plane and column that are split on.
    goes_left : uint8 array (n_splits, most bins)
    children : int64 array (n_splits, 2)
        Left and right node.
    """

    split_of: np.ndarray
    wide: np.ndarray
    column: np.ndarray
    goes_left: np.ndarray
    children: np.ndarray


@kernel()
def descend(narrow: np.ndarray, wide: np.ndarray, descent: Any, node: np.ndarray) -> None:
    """Send rows down the splits.

    Parameters
    ----------
    narrow : uint8 array (n_rows, at least n_narrow)
    wide : uint16 array (n_rows, at least n_wide)
    descent : Descent
    node : uint16 array (n_rows,)
        Of each row, overwritten.
    """
    for i in range(node.shape[0]):
        at = np.int64(node[i])
        k = descent.split_of[at]
        while k >= 0:
            column = descent.column[k]
            bin_ = np.int64(wide[i, column]) if descent.wide[k] else np.int64(narrow[i, column])
            at = descent.children[k, 0] if descent.goes_left[k, bin_] else descent.children[k, 1]
            k = descent.split_of[at]
        node[i] = at


@kernel()
def sum_nodes(
    mine: Any,
    layouts: Any,
    node: np.ndarray,
    slot_of: np.ndarray,
    count_bits: int,
    hessian_bits: int,
    histograms: np.ndarray,
) -> None:
    """Add a piece's rows to the histograms of their nodes.

    Parameters
    ----------
    mine : Mine
        Bins and packed values; `rows` is working space.
    layouts : tuple of Layout
        Narrow, wide, each with packed sums of one thread, zero before and after.
    node : uint16 array (n_rows,)
    slot_of : int64 array (n_nodes,)
        Of each node the histogram that its rows are added to; -1 for none.
    count_bits, hessian_bits : int
        Of the packing.
    histograms : int64 array (n_slots, 3, n_bins)
        Added to.
    """
    narrow, wide = layouts
    n_slots, block = histograms.shape[0], (1 << count_bits) - 1
    ends = np.zeros(n_slots + 1, np.int64)
    for i in range(node.shape[0]):
        ends[slot_of[node[i]] + 1] += 1
    ends[0] = 0  # rows of no histogram
    for k in range(n_slots):
        ends[k + 1] += ends[k]
    place = ends[:n_slots].copy()
    for i in range(node.shape[0]):
        slot = slot_of[node[i]]
        if slot >= 0:
            mine.rows[place[slot]] = np.uint32(i)
            place[slot] += 1
    for slot in range(n_slots):
        rows = mine.rows[ends[slot] : ends[slot + 1]]
        for start in range(0, rows.shape[0], block):
            add_block(0, narrow, wide, mine, rows, start, min(rows.shape[0], start + block))
            for layout in (narrow, wide):
                flush(
                    layout.sums[0], layout.chosen, layout.first, layout.widths, count_bits, hessian_bits, True,
                    histograms[slot],
                )  # fmt: skip
