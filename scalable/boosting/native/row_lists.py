"""The listed bins of one thread's rows: made once all rows are there, from their columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from scalable.boosting.native.bins import Bins
from scalable.kernels.histogram.lists import Listed, RowLists, count_others, list_others


class _Columns(Protocol):
    """What of `scalable.boosting.native.rows.Plane` is needed here."""

    features: NDArray[np.int64]
    n_dense: int
    columns: NDArray[Any]


class ListedBins:
    """Lists of rows; see `scalable.kernels.histogram.lists`.

    Parameters
    ----------
    bins : Bins
        Of the features.
    planes : sequence of Plane
        Whose last columns are listed.
    n_rows : int
        Of the part.

    Attributes
    ----------
    arrays : RowLists
        Empty until made.
    """

    def __init__(self, bins: Bins, planes: Sequence[_Columns], n_rows: int) -> None:
        self._planes, self._n_rows, self._made = planes, n_rows, False
        self._features = np.concatenate([plane.features[plane.n_dense :] for plane in planes])
        self._n_features = len(bins.features)
        self._usual = bins.usual[self._features]
        self._first = np.concatenate([[0], np.cumsum(bins.features["n_bins"][self._features])]).astype(
            np.int64
        )
        self._dtype = np.uint16 if self._first[-1] <= 2**16 else np.uint32
        self.arrays = RowLists(np.zeros(1, np.int64), np.empty(0, self._dtype))

    @property
    def n_bins(self) -> int:
        """Bins of the listed columns together."""
        return int(self._first[-1])

    def layout(self, sums: NDArray[np.int64]) -> Listed:
        """Return what kernels need to know of the columns, all of them chosen; `sums` of shape (n_threads, n_bins)."""
        place = np.full(self._n_features, -1)
        place[self._features] = every = np.arange(len(self._features))
        return Listed(place, every, self._usual, self._first, sums)

    def make(self) -> None:
        """Make the lists, once."""
        if self._made or not len(self._features):
            return
        ends, at = np.zeros(self._n_rows + 1, np.int64), 0
        shares = []
        for plane in self._planes:
            columns = plane.columns[plane.n_dense :]
            shares.append((columns, self._usual[at : at + len(columns)], self._first[at : at + len(columns)]))
            at += len(columns)
        for columns, usual, _ in shares:
            count_others(columns, usual, ends[1:])
        np.cumsum(ends, out=ends)
        places, entries = ends[:-1].copy(), np.empty(int(ends[-1]), self._dtype)
        for columns, usual, first in shares:
            list_others(columns, usual, first, places, entries)
        self.arrays, self._made = RowLists(ends, entries), True
