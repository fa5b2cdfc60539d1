"""Leaf-wise growth: the leaf that gains most is split next.

The smaller child's histogram is summed, the other's is what is left of the parent's. All sums are integers, so neither
threads nor the order of rows can change a split.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scalable.boosting.native.bins import Bins
from scalable.boosting.native.crew import Crew
from scalable.boosting.native.growth.features import FeatureChoice
from scalable.boosting.native.growth.histograms import Histograms
from scalable.boosting.native.growth.leaf import Leaf, Sample
from scalable.boosting.native.growth.renew import alone
from scalable.boosting.native.growth.tree import Tree
from scalable.boosting.native.peers import Peers
from scalable.boosting.native.rows import Part
from scalable.boosting.native.settings import Settings
from scalable.kernels.histogram.gain import LEAF
from scalable.kernels.histogram.packing import Packing
from scalable.kernels.histogram.partition import partition


class Grower:
    """Grows one tree after another from the same bins; parameters as for `Histograms`."""

    def __init__(
        self, bins: Bins, parts: Sequence[Part], settings: Settings, crew: Crew, peers: Peers
    ) -> None:
        self.bins, self.parts, self.settings, self.crew, self.peers = bins, parts, settings, crew, peers
        self._histograms = Histograms(bins, parts, settings, crew, peers)

    def grow(
        self,
        samples: Sequence[Sample],
        packing: Packing,
        units: tuple[float, float],
        chosen: FeatureChoice,
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
        record[0] = (0, 0, 0, *units, 0.0, -np.inf, np.inf)
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
        histograms = self._histograms
        self.crew.run(lambda k: histograms.accumulate(k, samples[k], 0, root.counts[k], packing, 0))
        for name, total in zip(("gradient", "hessian", "count"), histograms.totals(), strict=True):
            root.record[name] = total
        histograms.merge(0)
        if self.settings.rules["path_smooth"][0] > 0:
            root.record["output"] = alone(root.record, self.settings)
        if self._can_split(root):
            asked, key = chosen.of_node(0, root.path), chosen.key(0)
            self.crew.run(lambda k: histograms.search(k, root, asked, 0, key))
            histograms.choose([root], [asked])

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
        small.histogram = right.number

        def deal(k: int) -> int:
            sample, start, count = samples[k], leaf.starts[k], leaf.counts[k]
            rows = sample.rows[start : start + count]
            n_left = int(partition(self.parts[k].column(leaf.feature), leaf.goes_left, rows, sample.scratch))
            if wanted:
                at, n = (start, n_left) if small is left else (start + n_left, count - n_left)
                self._histograms.accumulate(k, sample, at, n, packing, small.histogram)
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
            self._histograms.merge(small.histogram)

        def find(k: int) -> None:
            self._histograms.separate(k, small.histogram, large.histogram)
            for turn, child in enumerate(wanted):
                self._histograms.search(k, child, asked[turn], turn, keys[turn])

        self.crew.run(find)
        self._histograms.choose(wanted, asked)
