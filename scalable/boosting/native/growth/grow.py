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
from scalable.boosting.native.growth.histograms import Histograms, Question
from scalable.boosting.native.growth.leaf import Leaf, Sample
from scalable.boosting.native.growth.renew import alone
from scalable.boosting.native.growth.tree import Tree
from scalable.boosting.native.peers import Peers
from scalable.boosting.native.rows import Part
from scalable.boosting.native.settings import Settings
from scalable.kernels.histogram.packing import Packing


class Grower:
    """Grows one tree after another from the same bins; parameters as for `Histograms`."""

    def __init__(
        self, bins: Bins, parts: Sequence[Part], settings: Settings, crew: Crew, peers: Peers
    ) -> None:
        self.bins, self.parts, self.settings, self.crew, self.peers = bins, parts, settings, crew, peers
        self._histograms = Histograms(bins, parts, settings, crew, peers)
        self._least = 2 * max(1, int(settings.rules["min_data"][0]))

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
        counts = [len(sample.rows) for sample in samples]
        n_rows = self.peers.whole(sum(counts))
        root = Leaf(0, 0, 0, 0, n_rows, 0, [0] * len(samples), counts)
        leaves = [root]
        if len(self.bins.features) and root.count:
            with self._histograms.growing(samples, packing, units, chosen.features):
                self._root(root, units, chosen)
                self._grow(tree, leaves, chosen)
        tree.bounds = np.array([[leaf.low, leaf.high] for leaf in leaves])
        tree.leaf_count = np.array([leaf.count for leaf in leaves], np.int64)
        tree.leaf_value = np.zeros(len(leaves))
        return tree, leaves

    def _grow(self, tree: Tree, leaves: list[Leaf], chosen: FeatureChoice) -> None:
        """Split leaves, the one that gains most first, until none may be split."""
        goes_left: list[NDArray[np.uint8]] = []
        children: list[list[int]] = []
        heap: list[tuple[float, int]] = []
        self._offer(leaves[0], heap)
        while heap and len(leaves) < self.settings.num_leaves:
            leaf = leaves[heapq.heappop(heap)[1]]
            assert leaf.split is not None
            leaf.goes_left = self._histograms.goes_left(leaf)
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
            self._split(leaf, left, right, chosen, search=not last)
            self._offer(left, heap)
            self._offer(right, heap)
        if children:
            tree.goes_left, tree.children = np.array(goes_left), np.array(children, np.int64)

    def _offer(self, leaf: Leaf, heap: list[tuple[float, int]]) -> None:
        if leaf.split is not None:
            heapq.heappush(heap, (-leaf.split.gain, leaf.number))

    def _can_split(self, leaf: Leaf) -> bool:
        shallow = self.settings.max_depth <= 0 or leaf.depth < self.settings.max_depth
        return shallow and leaf.count >= self._least

    def _root(self, root: Leaf, units: tuple[float, float], chosen: FeatureChoice) -> None:
        """Sum the histogram of all rows and find its best split."""
        self._histograms.root(root)
        if self.settings.rules["path_smooth"][0] > 0:
            root.output = alone(root, units, self.settings)
        if self._can_split(root):
            self._histograms.search(Question(root, chosen.of_node(0, root.path), chosen.key(0)))

    def _children(self, leaf: Leaf, number: int, node: int) -> tuple[Leaf, Leaf]:
        """Return the two leaves that a split makes, without their rows."""
        split, path = leaf.split, leaf.path
        assert split is not None
        if self.settings.groups:
            path = path | {leaf.feature}
        rest = (leaf.gradient - split.gradient, leaf.hessian - split.hessian, leaf.count - split.rows)
        left = Leaf(leaf.number, leaf.depth + 1, split.gradient, split.hessian, split.rows, leaf.histogram)
        right = Leaf(number, leaf.depth + 1, *rest, leaf.histogram)
        sign = int(self.bins.features["monotone"][leaf.feature])
        for side, child in enumerate((left, right)):
            child.output = (split.left_output, split.right_output)[side]
            child.low, child.high, child.path, child.parent = leaf.low, leaf.high, path, (node, side)
            child.starts = list(leaf.starts)
            if sign:
                middle = (split.left_output + split.right_output) / 2
                if (sign > 0) == (side == 0):
                    child.high = middle
                else:
                    child.low = middle
        return left, right

    def _split(self, leaf: Leaf, left: Leaf, right: Leaf, chosen: FeatureChoice, *, search: bool) -> None:
        """Deal a leaf's rows to its children and find their best splits."""
        wanted = []
        for place, child in ((2 * left.parent[0] + 1, left), (2 * left.parent[0] + 2, right)):
            if search and self._can_split(child):
                wanted.append(Question(child, chosen.of_node(place, child.path), chosen.key(place)))
        self._histograms.split(leaf, left, right, wanted)
        if self.peers.n_workers == 1 and sum(left.counts) != left.count:
            raise AssertionError(
                f"{sum(left.counts)} rows went left where the histogram counted {left.count}"
            )
