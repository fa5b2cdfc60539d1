"""Leaf-wise growth: the leaf that gains most is split next.

The smaller child's histogram is summed, the other's is what is left of the parent's. All sums are integers, so neither
threads nor the order of rows can change a split.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.boosting.native.bins import Bins
from scalable.boosting.native.crew import Crew
from scalable.boosting.native.features import FeatureChoice
from scalable.boosting.native.peers import Peers
from scalable.boosting.native.renew import alone
from scalable.boosting.native.rows import Part
from scalable.boosting.native.settings import Settings
from scalable.boosting.native.tree import Tree
from scalable.kernels.histogram.accumulate import (
    COUNT,
    GRADIENT,
    HESSIAN,
    add_all_rows,
    add_histograms,
    add_rows,
    subtract_histogram,
)
from scalable.kernels.histogram.gain import LEAF, SPLIT
from scalable.kernels.histogram.packing import Packing
from scalable.kernels.histogram.partition import partition
from scalable.kernels.histogram.search import search_categories, search_numbers
from scalable.kernels.histogram.split_categories import left_bins


@dataclass(frozen=True, slots=True)
class Sample:
    """A part's rows of one tree, by leaf while it grows.

    Attributes
    ----------
    packed : int64 array (n_rows,)
        Gradient, hessian and count of every row.
    rows : uint32 array (n_chosen,)
        The rows that take part.
    scratch : uint32 array (n_rows,)
        Working space.
    everyone : bool
        Whether all rows take part, in order.
    """

    packed: NDArray[np.int64]
    rows: NDArray[np.uint32]
    scratch: NDArray[np.uint32]
    everyone: bool


@dataclass(slots=True)
class Leaf:
    """A leaf of the tree that is growing: totals, place of its histogram, its rows in every part, its best split."""

    number: int
    depth: int
    record: Any
    histogram: int
    starts: list[int]
    counts: list[int]
    path: frozenset[int] = frozenset()
    feature: int = -1
    split: Any = None
    goes_left: Any = None
    parent: tuple[int, int] = (-1, 0)


@dataclass(slots=True)
class Grower:
    """Grows one tree after another from the same bins, with working space that is made once.

    Attributes
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
        Workers that hold other rows. Each merges and searches the features that are its own.
    """

    bins: Bins
    parts: Sequence[Part]
    settings: Settings
    crew: Crew
    peers: Peers
    _pool: NDArray[np.int64] = field(init=False)
    _own: NDArray[np.int64] = field(init=False)
    _sums: list[list[NDArray[np.int64]]] = field(init=False)
    _splits: NDArray[Any] = field(init=False)
    _width: int = field(init=False)

    def __post_init__(self) -> None:
        features = self.bins.features
        self._pool = np.empty((self.settings.num_leaves, 3, self.bins.n_bins), np.int64)
        self._own = np.empty((len(self.parts), 3, self.bins.n_bins), np.int64)
        self._sums = [
            [np.zeros((len(p.features), int(p.widths.max())), np.int64) for p in part.planes]
            for part in self.parts
        ]
        self._splits = np.zeros((2, len(features)), SPLIT)
        self._width = int(features["n_bins"].max(initial=1))

    def grow(
        self,
        samples: Sequence[Sample],
        packing: Packing,
        units: tuple[float, float],
        chosen: FeatureChoice,
        low_high: tuple[float, float] = (-np.inf, np.inf),
    ) -> tuple[Tree, list[Leaf]]:
        """Grow one tree.

        Parameters
        ----------
        samples : sequence of Sample
            Of each part.
        packing : Packing
            Of their packed values.
        units : tuple of float
            What one unit of gradient and of hessian is worth.
        chosen : FeatureChoice
            Features this tree may use.

        Returns
        -------
        Tree, list of Leaf
            Without leaf values; every leaf knows its rows.
        """
        tree = Tree()
        goes_left: list[NDArray[np.uint8]] = []
        children: list[list[int]] = []
        record = np.zeros(1, LEAF)
        record[0] = (0, 0, 0, *units, 0.0, *low_high)
        root = Leaf(0, 0, record, 0, [0] * len(samples), [len(sample.rows) for sample in samples])
        leaves = [root]
        heap: list[tuple[float, int]] = []
        root.record["count"] = self.peers.whole(sum(root.counts))
        if len(self.bins.features) and root.record["count"][0]:
            self._root(root, samples, packing, chosen)
            self._offer(root, heap)
        while heap and len(leaves) < self.settings.num_leaves:
            leaf = leaves[heapq.heappop(heap)[1]]
            node = len(children)
            if leaf.parent[0] >= 0:
                children[leaf.parent[0]][leaf.parent[1]] = node
            children.append([~leaf.number, ~len(leaves)])
            goes_left.append(leaf.goes_left)
            tree.features.append(leaf.feature)
            tree.splits.append(leaf.split)
            left, right = self._children(leaf, len(leaves), node)
            leaves[leaf.number] = left
            leaves.append(right)
            last = len(leaves) == self.settings.num_leaves
            self._split(leaf, left, right, samples, packing, chosen, search=not last)
            self._offer(left, heap)
            self._offer(right, heap)
        if children:
            tree.goes_left, tree.children = np.array(goes_left), np.array(children, np.int64)
        tree.bounds = np.array([[leaf.record["low"][0], leaf.record["high"][0]] for leaf in leaves])
        tree.leaf_count = np.array([leaf.record["count"][0] for leaf in leaves], np.int64)
        tree.leaf_value = np.zeros(len(leaves))
        return tree, leaves

    def _offer(self, leaf: Leaf, heap: list[tuple[float, int]]) -> None:
        if leaf.feature >= 0:
            heapq.heappush(heap, (-float(leaf.split["gain"]), leaf.number))

    def _can_split(self, leaf: Leaf) -> bool:
        least = 2 * max(1, int(self.settings.rules["min_data"][0]))
        shallow = self.settings.max_depth <= 0 or leaf.depth < self.settings.max_depth
        return shallow and int(leaf.record["count"][0]) >= least

    def _root(self, root: Leaf, samples: Sequence[Sample], packing: Packing, chosen: FeatureChoice) -> None:
        several = len(self.parts) > 1

        def add(k: int) -> None:
            out = self._own[k] if several else self._pool[0]
            self._accumulate(k, samples[k], 0, root.counts[k], packing, out)

        self.crew.run(add)
        mine = self._own if several else self._pool[:1]
        sums = self.peers.total(mine[:, :, : int(self.bins.features["n_bins"][0])].sum(axis=(0, 2)))
        for name, place in (("gradient", GRADIENT), ("hessian", HESSIAN), ("count", COUNT)):
            root.record[name] = sums[place]
        self._merge(0)
        if self.settings.rules["path_smooth"][0] > 0:
            root.record["output"] = alone(root.record, self.settings)
        if self._can_split(root):
            asked, key = chosen.of_node(0, root.path), chosen.key(0)
            self.crew.run(lambda k: self._search(k, root, asked, 0, key))
            self._choose([root], [asked])

    def _merge(self, histogram: int) -> None:
        """Sum the parts' histograms, and all workers', of the features that are this worker's."""
        several, n, size = len(self.parts) > 1, self.bins.n_bins, self.crew.size
        if self.peers.n_workers == 1:
            if several:
                self.crew.run(lambda k: add_histograms(self._own, *self._share(k), self._pool[histogram]))
            return
        if several:
            self.crew.run(
                lambda k: add_histograms(self._own, n * k // size, n * (k + 1) // size, self._pool[histogram])
            )
        self.peers.reduce(self._pool[histogram], [self._first_bin(f) for f in self._owners()])

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

    def _accumulate(
        self, k: int, sample: Sample, start: int, count: int, packing: Packing, out: NDArray[np.int64]
    ) -> None:
        """Sum the histogram of some of a part's rows."""
        out[:] = 0
        for plane, sums in zip(self.parts[k].planes, self._sums[k], strict=True):
            own = (plane.first, plane.widths, packing.count_bits, packing.hessian_bits, sums, out)
            if sample.everyone and count == len(sample.packed):
                add_all_rows(plane.matrix, sample.packed, *own)
            else:
                add_rows(plane.matrix, sample.packed, sample.rows[start : start + count], *own)

    def _children(self, leaf: Leaf, number: int, node: int) -> tuple[Leaf, Leaf]:
        """Return the two leaves that a split makes, without their rows."""
        split, whole = leaf.split, leaf.record
        left, right = whole.copy(), whole.copy()
        for name in ("gradient", "hessian", "count"):
            left[name] = split[name]
            right[name] = whole[name] - split[name]
        left["output"], right["output"] = split["left_output"], split["right_output"]
        sign = int(self.bins.features["monotone"][leaf.feature])
        if sign:
            middle = (float(split["left_output"]) + float(split["right_output"])) / 2
            (left if sign > 0 else right)["high"] = middle
            (right if sign > 0 else left)["low"] = middle
        path = leaf.path | {leaf.feature} if self.settings.groups else leaf.path
        made = [
            Leaf(n, leaf.depth + 1, record, leaf.histogram, list(leaf.starts), [], path, parent=(node, side))
            for side, (n, record) in enumerate(((leaf.number, left), (number, right)))
        ]
        return made[0], made[1]

    def _split(
        self,
        leaf: Leaf,
        left: Leaf,
        right: Leaf,
        samples: Sequence[Sample],
        packing: Packing,
        chosen: FeatureChoice,
        *,
        search: bool,
    ) -> None:
        """Deal a leaf's rows to its children and find their best splits."""
        small, large = (left, right) if left.record["count"][0] <= right.record["count"][0] else (right, left)
        wanted = [child for child in (small, large) if search and self._can_split(child)]
        several = len(self.parts) > 1
        small.histogram = right.number

        def deal(k: int) -> int:
            sample, start, count = samples[k], leaf.starts[k], leaf.counts[k]
            rows = sample.rows[start : start + count]
            n_left = int(partition(self.parts[k].column(leaf.feature), leaf.goes_left, rows, sample.scratch))
            if wanted:
                at, n = (start, n_left) if small is left else (start + n_left, count - n_left)
                out = self._own[k] if several else self._pool[small.histogram]
                self._accumulate(k, sample, at, n, packing, out)
            return n_left

        lefts = self.crew.run(deal)
        left.counts = lefts
        right.starts = [start + n for start, n in zip(leaf.starts, lefts, strict=True)]
        right.counts = [count - n for count, n in zip(leaf.counts, lefts, strict=True)]
        if self.peers.n_workers == 1 and sum(lefts) != left.record["count"][0]:
            raise AssertionError(
                f"{sum(lefts)} rows went left where the histogram counted {left.record['count'][0]}"
            )
        if not wanted:
            return
        places = [2 * left.parent[0] + 1 + (child is right) for child in wanted]
        asked = [chosen.of_node(place, child.path) for place, child in zip(places, wanted, strict=True)]
        keys = [chosen.key(place) for place in places]
        if self.peers.n_workers > 1:
            self._merge(small.histogram)

        def find(k: int) -> None:
            share = self._share(k)
            if several and self.peers.n_workers == 1:
                add_histograms(self._own, *share, self._pool[small.histogram])
            subtract_histogram(self._pool[large.histogram], self._pool[small.histogram], *share)
            for turn, child in enumerate(wanted):
                self._search(k, child, asked[turn], turn, keys[turn])

        self.crew.run(find)
        self._choose(wanted, asked)

    def _search(self, k: int, leaf: Leaf, features: NDArray[np.int64], turn: int, key: np.uint64) -> None:
        """Find the best splits of the features that are the k-th thread's."""
        edges = np.searchsorted(features, self._features(k))
        mine = features[edges[0] : edges[1]]
        if not len(mine):
            return
        rest = (leaf.record, self.settings.rules, key, self._splits[turn])
        search_numbers(self._pool[leaf.histogram], self.bins.features, mine, *rest)
        if self.bins.has_categories:
            search_categories(self._pool[leaf.histogram], self.bins.features, mine, *rest)

    def _choose(self, leaves: Sequence[Leaf], asked: Sequence[NDArray[np.int64]]) -> None:
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
