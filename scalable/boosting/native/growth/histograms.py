"""Histograms of leaves: summed over threads and workers, subtracted, searched for splits.

Every worker, and every thread of it, merges and searches features of its own, so that a histogram travels once and is
read where it lies in cache.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.boosting.native.bins import Bins
from scalable.boosting.native.crew import Crew
from scalable.boosting.native.growth.leaf import Leaf, Sample, Split
from scalable.boosting.native.peers import Peers
from scalable.boosting.native.rows import Part
from scalable.boosting.native.settings import Settings
from scalable.kernels.histogram.accumulate import (
    NARROW,
    add_all_rows,
    add_histograms,
    add_rows,
    subtract_histogram,
)
from scalable.kernels.histogram.gain import NUMBER, SPLIT
from scalable.kernels.histogram.packing import Packing
from scalable.kernels.histogram.search import search_categories, search_numbers
from scalable.kernels.histogram.split_categories import left_categories

Found = tuple[int, Split | None]  # a feature and its split; -1 for none


class Histograms:
    """One histogram a leaf, in memory that is made once for all trees.

    Parameters
    ----------
    bins : Bins
        Of the features.
    parts : sequence of Part
        The rows, one part a thread.
    settings : Settings
        Limits and rules.
    crew : Crew
        One thread a part.
    peers : Peers
        Workers that hold other rows.
    """

    def __init__(
        self, bins: Bins, parts: Sequence[Part], settings: Settings, crew: Crew, peers: Peers
    ) -> None:
        self.bins, self.parts, self.settings, self.crew, self.peers = bins, parts, settings, crew, peers
        self._several = len(parts) > 1
        self._pool = np.empty((settings.num_leaves, 3, bins.n_bins), np.int64)
        self._own = np.empty((len(parts) if self._several else 0, 3, bins.n_bins), np.int64)
        self._sums = [
            [np.zeros((len(p.features), max(NARROW, int(p.widths.max()))), np.int64) for p in part.planes]
            for part in parts
        ]
        self._splits = np.zeros((2, len(bins.features)), SPLIT)
        self._width = int(bins.features["n_bins"].max(initial=1))
        self._searches = [search_numbers, search_categories] if bins.has_categories else [search_numbers]
        # The first bin of every feature, the first feature of every worker, and of every thread here its features.
        self._edges = [*bins.features["first"].tolist(), bins.n_bins]
        n, workers = len(bins.features), peers.n_workers
        self._owners = [n * w // workers for w in range(workers + 1)]
        low, high = self._owners[peers.worker : peers.worker + 2]
        cuts = [low + (high - low) * k // crew.size for k in range(crew.size + 1)]
        self._ranges = list(itertools.pairwise(cuts))

    def totals(self) -> NDArray[np.int64]:
        """Return the sums of gradients, hessians and rows of all workers, before the first histogram is merged."""
        of_one = slice(0, int(self.bins.features["n_bins"][0]))
        mine = self._own if self._several else self._pool[:1]
        return self.peers.total(mine[:, :, of_one].sum(axis=(0, 2)))

    def accumulate(
        self, k: int, sample: Sample, start: int, count: int, packing: Packing, histogram: int
    ) -> None:
        """Sum the histogram of some of the k-th part's rows."""
        out = self._own[k] if self._several else self._pool[histogram]
        out[:] = 0
        for plane, sums in zip(self.parts[k].planes, self._sums[k], strict=True):
            own = (plane.first, plane.widths, packing.count_bits, packing.hessian_bits, sums, out)
            if sample.everyone and count == len(sample.packed):
                add_all_rows(plane.words, sample.packed, *own)
            else:
                add_rows(plane.words, sample.packed, sample.rows[start : start + count], *own)

    def merge(self, histogram: int) -> None:
        """Sum the parts' histograms, and all workers', of the features that are this worker's."""
        n, size = self.bins.n_bins, self.crew.size
        if self.peers.n_workers == 1:
            if self._several:
                self.crew.run(lambda k: add_histograms(self._own, *self._share(k), self._pool[histogram]))
            return
        if self._several:
            self.crew.run(
                lambda k: add_histograms(self._own, n * k // size, n * (k + 1) // size, self._pool[histogram])
            )
        self.peers.reduce(self._pool[histogram], [self._edges[f] for f in self._owners])

    def separate(self, k: int, small: int, large: int) -> None:
        """Merge the smaller child's histogram and take it from the parent's, the k-th thread's features only."""
        share = self._share(k)
        if self._several and self.peers.n_workers == 1:
            add_histograms(self._own, *share, self._pool[small])
        subtract_histogram(self._pool[large], self._pool[small], *share)

    def search(
        self,
        k: int,
        record: NDArray[Any],
        histogram: int,
        features: NDArray[np.int64],
        turn: int,
        key: np.uint64,
    ) -> Found:
        """Return the best of the features that are the k-th thread's, and its split; -1 for none.

        Parameters
        ----------
        k : int
            Thread.
        record : record array (1,) of `LEAF`
            The leaf's totals.
        histogram : int
            Place of its histogram.
        features : int64 array
            What may be split on, ascending.
        turn : int
            0 or 1: leaves that are searched together need working space each.
        key : uint64
            For ``extra_trees``.
        """
        if len(features) != len(self.bins.features) or self._ranges != [(0, len(features))]:
            edges = np.searchsorted(features, self._ranges[k])
            features = features[edges[0] : edges[1]]
        splits = self._splits[turn]
        found: Found = (-1, None)
        if not len(features):
            return found
        for search in self._searches:
            rest = (self.bins.features, features, record, self.settings.rules, key, splits)
            best = int(search(self._pool[histogram], *rest))
            if best >= 0:
                found = self._better(found, (best, Split(*splits[best].item())))
        return found

    @staticmethod
    def _better(one: Found, other: Found) -> Found:
        """Return what gains more; of equals the first feature."""
        if one[1] is None or other[1] is None:
            return other if one[1] is None else one
        return max((one, other), key=lambda found: (0.0 if found[1] is None else found[1].gain, -found[0]))

    def choose(self, leaf: Leaf, found: Sequence[Found], units: tuple[float, float]) -> None:
        """Give a leaf the best split that any thread of any worker found."""
        leaf.feature, leaf.split = functools.reduce(self._better, found)
        if self.peers.n_workers == 1:
            return
        offer = np.zeros(1, [("feature", "i8"), ("split", SPLIT), ("goes_left", "u1", (self._width,))])
        offer["feature"] = leaf.feature
        if leaf.split is not None:  # only this worker has the histogram that says which categories go left
            offer["split"], offer["goes_left"] = tuple(leaf.split), self.goes_left(leaf, units)
        leaf.feature, leaf.split = -1, None
        for part in self.peers.gather(offer.tobytes()):
            other = np.frombuffer(part, offer.dtype)[0]
            split = Split(*other["split"].item()) if other["feature"] >= 0 else None
            best = self._better((leaf.feature, leaf.split), (int(other["feature"]), split))
            if best[0] != leaf.feature:
                (leaf.feature, leaf.split), leaf.goes_left = best, other["goes_left"]

    def goes_left(self, leaf: Leaf, units: tuple[float, float]) -> NDArray[np.uint8]:
        """Return 1 for the bins that a leaf's best split sends left, 0 for the others."""
        if leaf.goes_left is not None:
            return leaf.goes_left
        table, split = np.zeros(self._width, np.uint8), leaf.split
        assert split is not None
        if split.kind == NUMBER:
            table[: split.threshold + 1] = 1
            if self.bins.features["missing"][leaf.feature]:
                table[self.bins.features["n_bins"][leaf.feature] - 1] = split.missing_left
        else:
            feature, record = self.bins.features[leaf.feature], leaf.record(units)[0]
            bins = left_categories(
                self._pool[leaf.histogram],
                feature,
                record,
                self.settings.rules[0],
                split.kind,
                split.threshold,
            )
            table[bins] = 1
        return table

    def _share(self, k: int) -> tuple[int, int]:
        """Return the bins of the features that the k-th thread merges and searches."""
        low, high = self._ranges[k]
        return self._edges[low], self._edges[high]
