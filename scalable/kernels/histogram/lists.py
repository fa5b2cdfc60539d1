"""Rows as lists of the bins that are not their column's usual one, for columns of mostly one value.

A histogram is summed from the listed bins only. The usual bin of a column has what the others leave of all rows: packed
sums are integers, each field of what is left is that of the rows not listed, so every bin has the bits it has where
each value is visited.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from scalable.kernels.jit import kernel
from scalable.kernels.prefetch import AHEAD, prefetch

_U = np.uint64
_ONE = _U(1)
STRIP = 512  # rows whose places stay in the nearest cache


class RowLists(NamedTuple):
    """The lists of one thread's rows.

    Attributes
    ----------
    ends : int64 array (n_rows + 1,)
        Where each row's entries begin, and where the last row's end.
    entries : uint16 or uint32 array (n_entries,)
        Places of bins in `Listed.sums`.
    """

    ends: np.ndarray
    entries: np.ndarray


class Listed(NamedTuple):
    """The columns that are listed.

    Attributes
    ----------
    place : int64 array (n_features,)
        Of each feature its listed column, -1 where it is none.
    chosen : int64 array (n_chosen,)
        Listed columns that the tree may use; sums of no others are completed.
    usual : int64 array (n_listed,)
        The bin that is not listed.
    first : int64 array (n_listed + 1,)
        Where each column's bins begin in `sums`.
    sums : int64 array (n_threads, n_listed_bins)
        Packed sums.
    """

    place: np.ndarray
    chosen: np.ndarray
    usual: np.ndarray
    first: np.ndarray
    sums: np.ndarray


@kernel()
def count_others(columns: np.ndarray, usual: np.ndarray, counts: np.ndarray) -> None:
    """Add to each row's count how many of its bins are not the usual ones.

    Parameters
    ----------
    columns : uint8 or uint16 array (n_columns, n_rows)
    usual : int64 array (n_columns,)
    counts : int64 array (n_rows,)
    """
    n_rows = columns.shape[1]
    for start in range(0, n_rows, STRIP):
        stop = min(n_rows, start + STRIP)
        own = counts[start:stop]
        for j in range(columns.shape[0]):
            column = columns[j, start:stop]
            for i in range(stop - start):
                own[i] += column[i] != usual[j]


@kernel()
def list_others(
    columns: np.ndarray, usual: np.ndarray, first: np.ndarray, places: np.ndarray, entries: np.ndarray
) -> None:
    """Write the bins that `count_others` counts.

    Parameters
    ----------
    columns, usual
        As for `count_others`.
    first : int64 array (n_columns,)
        Where each column's bins begin in `Listed.sums`.
    places : int64 array (n_rows,)
        Where each row's next entry goes; moved on.
    entries : uint16 or uint32 array (n_entries,)
    """
    n_rows = columns.shape[1]
    for start in range(0, n_rows, STRIP):
        stop = min(n_rows, start + STRIP)
        own = places[start:stop]
        for j in range(columns.shape[0]):
            column = columns[j, start:stop]
            for i in range(stop - start):
                if column[i] != usual[j]:
                    entries[own[i]] = first[j] + np.int64(column[i])
                    own[i] += 1


@kernel()
def add_lists(
    lists: Any, packed: np.ndarray, rows: np.ndarray, start: int, stop: int, sums: np.ndarray
) -> Any:
    """Add rows to the sums of their listed bins; return the packed sum of all of them.

    Parameters
    ----------
    lists : RowLists
    packed, rows, start, stop
        As for `scalable.kernels.histogram.accumulate.add_rows`.
    sums : int64 array (n_listed_bins,)
        Added to.
    """
    ends, entries, n, total = lists.ends, lists.entries, rows.shape[0], np.int64(0)
    for i in range(start, stop):
        if i + 2 * AHEAD < n:
            prefetch(ends, _U(rows[_U(i + 2 * AHEAD)]))
        if i + AHEAD < n:
            later = _U(rows[_U(i + AHEAD)])
            prefetch(packed, later)
            prefetch(entries, _U(ends[later]))
            prefetch(entries, _U(ends[later + _ONE]))
        row = _U(rows[_U(i)])
        value = packed[row]
        total += value
        for k in range(_U(ends[row]), _U(ends[row + _ONE])):
            sums[_U(entries[k])] += value
    return total


@kernel()
def complete(total: int, listed: Any, sums: np.ndarray) -> None:
    """Give each column's usual bin what its other bins leave of the sum of all rows.

    Parameters
    ----------
    total : int
        From `add_lists`.
    listed : Listed
    sums : int64 array (n_listed_bins,)
        From zero on added to by the same call; written.
    """
    for j in listed.chosen:
        own = sums[listed.first[j] : listed.first[j + 1]]
        left = total
        for b in range(own.shape[0]):
            left -= own[_U(b)]
        own[_U(listed.usual[j])] = left
