"""The rows that one thread holds: their bins by row and by column, labels, weights, scores, gradients."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.boosting.native.bins import NARROW, Bins
from scalable.kernels.histogram.partition import transpose
from scalable.kernels.histogram.rounding import BLOCK_ROWS

NO_WEIGHT = np.empty(0, np.float32)


class Plane:
    """Features whose bins have one width.

    Attributes
    ----------
    features : int64 array (n,)
        Which of all features.
    columns : uint8 or uint16 array (n, n_rows)
        Their bins, for partitions.
    matrix : the same array (n_rows, n)
        For histograms.
    first, widths : int64 array (n,)
        Place of each feature's first bin in a histogram, and its number of bins.
    """

    def __init__(self, bins: Bins, features: NDArray[np.int64], n_rows: int, dtype: type) -> None:
        self.features = features
        self.columns: NDArray[Any] = np.zeros((len(features), n_rows), dtype)
        self.matrix: NDArray[Any] = np.zeros((n_rows, len(features)), dtype)
        self.first = np.ascontiguousarray(bins.features["first"][features])
        self.widths = np.ascontiguousarray(bins.features["n_bins"][features])


class Part:
    """The rows of one thread.

    Parameters
    ----------
    bins : Bins
        Of the features.
    first_rows : int64 array (n_blocks,)
        The dataset's row with which each of its blocks begins; all but the last are `BLOCK_ROWS` long.
    n_rows : int
        Rows held.
    n_scores : int
        Scores per row.
    weighted : bool
        Whether rows have weights.
    """

    def __init__(
        self, bins: Bins, first_rows: NDArray[np.int64], n_rows: int, n_scores: int, *, weighted: bool
    ) -> None:
        self.first_rows, self.n_rows = first_rows, n_rows
        wide = bins.features["n_bins"] > NARROW
        kinds = ((np.flatnonzero(~wide), np.uint8), (np.flatnonzero(wide), np.uint16))
        self.planes = [Plane(bins, which, n_rows, dtype) for which, dtype in kinds if len(which)]
        self.place = {
            int(f): (p, j) for p, plane in enumerate(self.planes) for j, f in enumerate(plane.features)
        }
        self.label = np.empty(n_rows, np.float32)
        self.weight = np.empty(n_rows, np.float32) if weighted else NO_WEIGHT
        self.score = np.zeros((n_scores, n_rows))

    def column(self, feature: int) -> NDArray[Any]:
        """Return the bins of a feature."""
        plane, place = self.place[feature]
        return np.asarray(self.planes[plane].columns[place])


class Rows:
    """All rows of a dataset, dealt in blocks to one part a thread, filled by any thread in any order.

    Parameters
    ----------
    bins : Bins
        Of the features.
    n_rows : int
        Rows.
    n_parts : int
        Threads that will train.
    n_scores : int
        Scores per row.
    weighted : bool
        Whether rows have weights.
    """

    def __init__(self, bins: Bins, n_rows: int, n_parts: int, n_scores: int, *, weighted: bool) -> None:
        self.bins, self.n_rows, self.n_scores = bins, n_rows, n_scores
        n_blocks = -(-n_rows // BLOCK_ROWS)
        self._n = min(n_parts, max(1, n_blocks))
        self.parts = []
        for p in range(self._n):
            first = np.arange(p, max(n_blocks, 1), self._n, dtype=np.int64) * BLOCK_ROWS
            n = int(np.minimum(BLOCK_ROWS, n_rows - first).sum())
            self.parts.append(Part(bins, first, n, n_scores, weighted=weighted))
        self._searches = bins.searches()
        self._lock = threading.Lock()
        self._filled = 0

    def push(
        self,
        rows: NDArray[Any],
        label: NDArray[np.float32],
        weight: NDArray[np.float32] | None,
        init_score: NDArray[np.float64] | None,
        *,
        start: int,
        pusher: int = 0,
    ) -> None:
        """Bin one block, whose first row is the dataset's row `start`; see `scalable.boosting.dataset.sinks.Sink`."""
        n = len(rows)
        at = start
        while at < start + n:
            stop = min(start + n, (at // BLOCK_ROWS + 1) * BLOCK_ROWS)
            taken = slice(at - start, stop - start)
            self._put(rows[taken], at)
            part, here = self._where(at, stop)
            part.label[here] = label[taken]
            if weight is not None:
                part.weight[here] = weight[taken]
            if init_score is not None:
                part.score[:, here] = init_score[:, taken]
            at = stop
        with self._lock:
            self._filled += n

    def _where(self, start: int, stop: int) -> tuple[Part, slice]:
        block, offset = divmod(start, BLOCK_ROWS)
        low = block // self._n * BLOCK_ROWS + offset
        return self.parts[block % self._n], slice(low, low + stop - start)

    def _put(self, rows: NDArray[Any], start: int) -> None:
        part, here = self._where(start, start + len(rows))
        for plane in part.planes:
            for j, feature in enumerate(plane.features.tolist()):
                self._searches[feature](rows, self.bins.columns[feature], plane.columns[j, here])
            transpose(plane.columns, here.start, here.stop, plane.matrix)

    def in_order(self, arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """Return arrays of one entry a row (their last axis), one array a part, as one in the dataset's order."""
        out = np.empty((*arrays[0].shape[:-1], self.n_rows), arrays[0].dtype)
        for part, array in zip(self.parts, arrays, strict=True):
            for k, first in enumerate(part.first_rows.tolist()):
                n = min(BLOCK_ROWS, self.n_rows - first)
                out[..., first : first + n] = array[..., k * BLOCK_ROWS : k * BLOCK_ROWS + n]
        return out

    def deal(self, values: NDArray[Any]) -> list[NDArray[Any]]:
        """Return what `in_order` makes one of: the parts' shares of an array whose last axis is the rows."""
        return [
            np.concatenate(
                [values[..., first : first + BLOCK_ROWS] for first in part.first_rows.tolist()], axis=-1
            )
            for part in self.parts
        ]
