"""The rows that one thread holds: their bins by row and by column, labels, weights, scores, gradients."""

from __future__ import annotations

import copy
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.boosting.native.bins import Bins
from scalable.boosting.native.row_lists import ListedBins
from scalable.kernels.histogram.accumulate import NARROW
from scalable.kernels.histogram.partition import transpose
from scalable.kernels.histogram.teamwork import Plane as PlaneArrays

NO_WEIGHT = np.empty(0, np.float32)
BLOCK_ROWS = 4096  # rows that are dealt to a thread together


def zeros(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Return zeros in memory that the system may give in large pages, which ``numpy.zeros`` does not ask for."""
    array = np.empty(shape, dtype)
    array.fill(0)
    return array


class Plane:
    """Features whose bins have one width.

    Attributes
    ----------
    features : int64 array (n,)
        Which of all features: those kept by row, then those that are listed.
    n_dense : int
        How many are kept by row.
    columns : uint8 or uint16 array (n, n_rows)
        Their bins, for partitions.
    matrix : array of the same type (n_rows, n_dense and up to three more)
        For histograms; the rows are filled with zeros to whole words.
    words : uint32 array (n_rows, n_words)
        The same memory.
    first, widths : int64 array (n,)
        Place of each feature's first bin in a histogram, and its number of bins.
    arrays : named tuple
        The bins for the kernels.
    """

    def __init__(self, bins: Bins, features: NDArray[np.int64], n_rows: int, dtype: type) -> None:
        self.features = features[np.argsort(bins.listed[features], kind="stable")]
        self.n_dense = int((~bins.listed[features]).sum())
        features = self.features
        # Not written here: the threads that bin the rows have the system find memory, each its own share.
        self.columns: NDArray[Any] = np.empty((len(features), n_rows), dtype)
        a_word = 4 // np.dtype(dtype).itemsize
        self.matrix: NDArray[Any] = np.empty((n_rows, -(-self.n_dense // a_word) * a_word), dtype)
        self.words = self.matrix.view(np.uint32)
        self.first = np.ascontiguousarray(bins.features["first"][features])
        self.widths = np.ascontiguousarray(bins.features["n_bins"][features])
        self.arrays = PlaneArrays(self.matrix, self.words, self.columns)

    @property
    def of_rows(self) -> NDArray[Any]:
        """The bins of shape (n_rows, at least n): by row in memory, where all features are."""
        return self.matrix if self.n_dense == len(self.features) else self.columns.T


class Part:
    """The rows of one thread, in blocks that lie together in the dataset.

    Parameters
    ----------
    bins : Bins
        Of the features.
    starts : int64 array (n_blocks + 1,)
        Where each block begins in this part's arrays, and where the last one ends.
    first_rows : int64 array (n_blocks,)
        The dataset's row with which each block begins.
    n_scores : int
        Scores per row.
    weighted : bool
        Whether rows have weights.
    """

    def __init__(
        self,
        bins: Bins,
        starts: NDArray[np.int64],
        first_rows: NDArray[np.int64],
        n_scores: int,
        *,
        weighted: bool,
    ) -> None:
        self.starts, self.first_rows, self.n_rows = starts, first_rows, int(starts[-1])
        wide = bins.features["n_bins"] > NARROW
        kinds = ((np.flatnonzero(~wide), np.uint8), (np.flatnonzero(wide), np.uint16))
        self.planes = [Plane(bins, which, self.n_rows, dtype) for which, dtype in kinds]
        self.place = {
            int(f): (p, j) for p, plane in enumerate(self.planes) for j, f in enumerate(plane.features)
        }
        self.lists = ListedBins(bins, self.planes, self.n_rows)
        self.label = np.empty(self.n_rows, np.float32)
        self.weight = np.empty(self.n_rows, np.float32) if weighted else NO_WEIGHT
        self.score = zeros((n_scores, self.n_rows), np.float64)

    def column(self, feature: int) -> NDArray[Any]:
        """Return the bins of a feature."""
        plane, place = self.place[feature]
        return np.asarray(self.planes[plane].columns[place])


def blocks_of(stretches: Sequence[tuple[int, int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return `starts` and `first_rows` of a `Part` that holds all of some stretches, in blocks as threads are dealt."""
    blocks = [
        (first + at, min(BLOCK_ROWS, n - at)) for first, n in stretches for at in range(0, n, BLOCK_ROWS)
    ]
    cut = np.array(blocks, np.int64).reshape(-1, 2)
    return np.concatenate([[0], np.cumsum(cut[:, 1])]), np.ascontiguousarray(cut[:, 0])


class Rows:
    """All rows of a worker, dealt in blocks to one part a thread, filled by any thread in any order.

    Parameters
    ----------
    bins : Bins
        Of the features.
    stretches : sequence of (first row, rows)
        Where the rows lie in the dataset, in order.
    n_parts : int
        Threads that will train.
    n_scores : int
        Scores per row.
    weighted : bool
        Whether rows have weights.
    """

    def __init__(
        self, bins: Bins, stretches: Sequence[tuple[int, int]], n_parts: int, n_scores: int, *, weighted: bool
    ) -> None:
        self.bins, self.n_scores = bins, n_scores
        self._positions, first_rows = blocks_of(stretches)
        sizes = np.diff(self._positions)
        self.n_rows = int(self._positions[-1])
        self._n = min(n_parts, max(1, len(sizes)))
        self.parts = []
        for p in range(self._n):
            starts = np.concatenate([[0], np.cumsum(sizes[p :: self._n])])
            self.parts.append(Part(bins, starts, first_rows[p :: self._n], n_scores, weighted=weighted))
        self._searches = bins.searches()
        self._lock = threading.Lock()
        self.n_filled = 0

    def push(
        self,
        rows: Any,
        label: NDArray[np.float32],
        weight: NDArray[np.float32] | None,
        init_score: NDArray[np.float64] | None,
        *,
        start: int,
        pusher: int = 0,
    ) -> None:
        """Bin one block of columns, whose first row stands at position `start` among the worker's rows.

        Parameters
        ----------
        rows : sequence of arrays (n,)
            One numeric array a matrix column.
        label, weight, init_score, pusher
            As for `scalable.boosting.dataset.sinks.Sink.push`.
        """
        n, at = len(label), start
        needed = [np.asarray(rows[column]) for column in self.bins.columns]
        columns = [c if c.dtype in (np.float32, np.float64) else c.astype(np.float64) for c in needed]
        binned = [np.zeros((len(plane.features), n), plane.columns.dtype) for plane in self.parts[0].planes]
        for plane, bins in zip(self.parts[0].planes, binned, strict=True):
            for feature, out in zip(plane.features.tolist(), bins, strict=True):
                self._searches[feature](columns[feature][:, None], 0, out)
        while at < start + n:
            block = int(np.searchsorted(self._positions, at, side="right")) - 1
            stop = min(start + n, int(self._positions[block + 1]))
            taken, (part, here) = slice(at - start, stop - start), self._where(block, at, stop)
            for plane, bins in zip(part.planes, binned, strict=True):
                plane.columns[:, here] = bins[:, taken]
                transpose(plane.columns[: plane.n_dense], here.start, here.stop, plane.matrix)
                plane.matrix[here, plane.n_dense :] = 0
            part.label[here] = label[taken]
            if weight is not None:
                part.weight[here] = weight[taken]
            if init_score is not None:
                part.score[:, here] = init_score[:, taken]
            at = stop
        with self._lock:
            self.n_filled += n

    def _where(self, block: int, start: int, stop: int) -> tuple[Part, slice]:
        part = self.parts[block % self._n]
        low = int(part.starts[block // self._n]) + start - int(self._positions[block])
        return part, slice(low, low + stop - start)

    def unscored(self, bins: Bins) -> Rows:
        """Return the same rows with no scores yet, for another model; `bins` tell of it what is no bin's bound."""
        other = copy.copy(self)
        other.bins, other.parts = bins, [copy.copy(part) for part in self.parts]
        for part in other.parts:
            part.score = zeros(part.score.shape, np.float64)
        return other

    def in_order(self, arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """Return arrays of one entry a row (their last axis), one array a part, as one in the order of the rows."""
        out = np.empty((*arrays[0].shape[:-1], self.n_rows), arrays[0].dtype)
        for block in range(len(self._positions) - 1):
            low, high = int(self._positions[block]), int(self._positions[block + 1])
            _, here = self._where(block, low, high)
            out[..., low:high] = arrays[block % self._n][..., here]
        return out

    def deal(self, values: NDArray[Any]) -> list[NDArray[Any]]:
        """Return what `in_order` makes one of: the parts' shares of an array whose last axis is the rows."""
        edges = self._positions
        return [
            np.concatenate(
                [values[..., edges[b] : edges[b + 1]] for b in range(p, len(edges) - 1, self._n)], axis=-1
            )
            for p in range(self._n)
        ]
