"""Histograms of leaves: summed over threads and workers, subtracted, searched for splits.

Every worker, and every thread of it, merges and searches features of its own, so that a histogram travels once and is
read where it lies in cache.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scalable.boosting.native.bins import Bins
from scalable.boosting.native.crew import Crew
from scalable.boosting.native.growth.leaf import Leaf, Sample
from scalable.boosting.native.peers import Peers
from scalable.boosting.native.rows import Part
from scalable.boosting.native.settings import Settings
from scalable.kernels.histogram.accumulate import add_all_rows, add_histograms, add_rows, subtract_histogram
from scalable.kernels.histogram.gain import SPLIT
from scalable.kernels.histogram.packing import Packing
from scalable.kernels.histogram.search import search_categories, search_numbers
from scalable.kernels.histogram.split_categories import left_bins


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
            [np.zeros((len(p.features), int(p.widths.max())), np.int64) for p in part.planes]
            for part in parts
        ]
        self._splits = np.zeros((2, len(bins.features)), SPLIT)
        self._width = int(bins.features["n_bins"].max(initial=1))

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
                add_all_rows(plane.matrix, sample.packed, *own)
            else:
                add_rows(plane.matrix, sample.packed, sample.rows[start : start + count], *own)

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
        self.peers.reduce(self._pool[histogram], [self._first_bin(f) for f in self._owners()])

    def separate(self, k: int, small: int, large: int) -> None:
        """Merge the smaller child's histogram and take it from the parent's, the k-th thread's features only."""
        share = self._share(k)
        if self._several and self.peers.n_workers == 1:
            add_histograms(self._own, *share, self._pool[small])
        subtract_histogram(self._pool[large], self._pool[small], *share)

    def search(self, k: int, leaf: Leaf, features: NDArray[np.int64], turn: int, key: np.uint64) -> None:
        """Find the best splits of the features that are the k-th thread's."""
        edges = np.searchsorted(features, self._features(k))
        mine = features[edges[0] : edges[1]]
        if not len(mine):
            return
        rest = (leaf.record, self.settings.rules, key, self._splits[turn])
        search_numbers(self._pool[leaf.histogram], self.bins.features, mine, *rest)
        if self.bins.has_categories:
            search_categories(self._pool[leaf.histogram], self.bins.features, mine, *rest)

    def choose(self, leaves: Sequence[Leaf], asked: Sequence[NDArray[np.int64]]) -> None:
        """Give leaves the best split of all features, the first of equals, on whichever worker it was found."""
        low, high = self._owners()[self.peers.worker : self.peers.worker + 2]
        found = np.zeros(
            len(leaves), [("feature", "i8"), ("split", SPLIT), ("goes_left", "u1", (self._width,))]
        )
        found["feature"] = -1
        for turn, (leaf, features) in enumerate(zip(leaves, asked, strict=True)):
            mine = features[(features >= low) & (features < high)]
            splits = self._splits[turn][mine]
            gains = np.where(splits["kind"] > 0, splits["gain"], -np.inf)
            if len(mine) and gains.max() > 0:
                best = int(gains.argmax())
                found[turn]["feature"], found[turn]["split"] = mine[best], splits[best]
                record, rules = self.bins.features[mine[best]], self.settings.rules[0]
                histogram = self._pool[leaf.histogram]
                left_bins(histogram, record, leaf.record[0], rules, splits[best], found[turn]["goes_left"])
        offers = [np.frombuffer(part, found.dtype) for part in self.peers.gather(found.tobytes())]
        for turn, leaf in enumerate(leaves):
            best_gain = 0.0
            for offer in offers:  # in the order of features
                if offer[turn]["feature"] >= 0 and offer[turn]["split"]["gain"] > best_gain:
                    best_gain = float(offer[turn]["split"]["gain"])
                    leaf.feature, leaf.split = int(offer[turn]["feature"]), offer[turn]["split"]
                    leaf.goes_left = offer[turn]["goes_left"]

    def _owners(self) -> list[int]:
        """Return the first feature of every worker, and the number of features."""
        n, workers = len(self.bins.features), self.peers.n_workers
        return [n * w // workers for w in range(workers + 1)]

    def _first_bin(self, feature: int) -> int:
        n = len(self.bins.features)
        return int(self.bins.features["first"][feature]) if feature < n else self.bins.n_bins

    def _features(self, k: int) -> tuple[int, int]:
        """Return the range of features that the k-th thread merges and searches."""
        low, high = self._owners()[self.peers.worker : self.peers.worker + 2]
        n, size = high - low, self.crew.size
        return low + n * k // size, low + n * (k + 1) // size

    def _share(self, k: int) -> tuple[int, int]:
        """Return the bins of those features."""
        low, high = self._features(k)
        return self._first_bin(low), self._first_bin(high)
