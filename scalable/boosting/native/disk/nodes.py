"""The nodes of a tree that grows by passes: those that leaf-wise growth may come to, found a level at a time.

Leaf-wise growth always splits the leaf that gains most. What a node gains does not depend on when it is asked, so the
tree is known once every node that this order comes to has been split: `order_of` plays the order through with what is
known, and names the nodes that are still missing. A pass over the rows splits all of them together.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.boosting.native.bins import Bins
from scalable.boosting.native.growth.tree import Tree
from scalable.boosting.native.settings import Settings
from scalable.errors import PlanError
from scalable.kernels.histogram.gain import LEAF, NONE, SPLIT
from scalable.kernels.histogram.leafwise import bins_of_split, divide
from scalable.kernels.histogram.passes import Descent
from scalable.kernels.histogram.search import search_categories, search_numbers

MOST_NODES = 2**16  # a row's node is a number of 16 bits


@dataclass(slots=True)
class Node:
    """A node; its totals stand in `Nodes.totals`.

    Attributes
    ----------
    depth : int
    features : int64 array (n,)
        To look at, ascending; once it is searched those that it can be split on, which its children look at.
    histogram : int64 array (3, n_bins) or None
        None where nobody will ask.
    feature : int
        Of the best split; -1 for none.
    split : record array (1,) of `SPLIT`
    children : tuple of int
        Empty until it is split.
    goes_left : uint8 array (most bins,)
        Once it is split.
    """

    depth: int
    features: NDArray[np.int64]
    histogram: NDArray[np.int64] | None = None
    feature: int = -1
    split: Any = None
    children: tuple[int, ...] = ()
    goes_left: Any = None


@dataclass(frozen=True, slots=True)
class Order:
    """Nodes in the order in which leaf-wise growth splits them, with the leaf each is and the one it adds.

    Attributes
    ----------
    splits : list of (node, leaf, new leaf)
    missing : list of int
        Those whose children are not known.
    """

    splits: list[tuple[int, int, int]] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)


class Nodes:
    """The nodes of one tree.

    Parameters
    ----------
    bins : Bins
        Of the features.
    settings : Settings
        Limits and rules.
    chosen : int64 array (n,)
        Features of the tree, ascending.
    """

    def __init__(self, bins: Bins, settings: Settings, chosen: NDArray[np.int64]) -> None:
        self.bins, self.settings, self.chosen = bins, settings, chosen
        self.nodes = [Node(0, chosen)]
        self.totals = np.zeros(64, LEAF)
        self._found = np.zeros(len(bins.features), SPLIT)
        self._categories = np.zeros(1, np.uint8) if bins.has_categories else None
        self._width = int(bins.features["n_bins"].max(initial=1))
        self._least = 2 * max(1, int(settings.rules["min_data"][0]))

    def can_split(self, node: int) -> bool:
        """Return whether a node is shallow and large enough to be split."""
        shallow = self.settings.max_depth <= 0 or self.nodes[node].depth < self.settings.max_depth
        return bool(shallow and self.totals["count"][node] >= self._least)

    def search(self, node: int, histogram: NDArray[np.int64]) -> None:
        """Give a node its histogram and the best split."""
        one, found = self.nodes[node], self._found
        arguments = (self.bins.features, one.features, self.totals[node : node + 1], self.settings.rules)
        best = [search_numbers(histogram, *arguments, np.uint64(0), found)]
        if self._categories is not None:
            best.append(search_categories(histogram, *arguments, np.uint64(0), found))
        one.features = one.features[found["kind"][one.features] != NONE]
        features = [f for f in best if f >= 0]
        if features:
            one.feature = int(min(features, key=lambda f: (-found["gain"][f], f)))
            one.split, one.histogram = found[one.feature : one.feature + 1].copy(), histogram

    def divide(self, node: int) -> tuple[int, int]:
        """Split a node; return the children, whose histograms are not known."""
        one, left, right = self.nodes[node], len(self.nodes), len(self.nodes) + 1
        if right >= MOST_NODES:
            raise PlanError(
                f"a tree grown from disk comes to more than {MOST_NODES:,} nodes; lower num_leaves or set max_depth"
            )
        if right >= len(self.totals):
            self.totals = np.concatenate([self.totals, np.zeros_like(self.totals)])
        feature = self.bins.features[one.feature]
        self.totals[left] = self.totals[node]
        divide(self.totals, left, right, one.split[0], int(feature["monotone"]))
        one.goes_left = np.zeros(self._width, np.uint8)
        rules = self.settings.rules[0]
        bins_of_split(
            one.split[0], feature, self.totals[node], rules, one.histogram, self._categories, one.goes_left
        )
        self.nodes += [Node(one.depth + 1, one.features), Node(one.depth + 1, one.features)]
        one.children = (left, right)
        return left, right

    def order(self) -> Order:
        """Play leaf-wise growth through with what is known."""
        found, heap, n_leaves = Order(), list[tuple[float, int, int]](), 1

        def offer(leaf: int, node: int) -> None:
            if self.nodes[node].feature >= 0:
                heapq.heappush(heap, (-float(self.nodes[node].split["gain"][0]), leaf, node))

        offer(0, 0)
        while heap and n_leaves < self.settings.num_leaves:
            most = min(self.settings.leaves_per_round, len(heap), self.settings.num_leaves - n_leaves)
            taken = [heapq.heappop(heap) for _ in range(most)]
            for _, leaf, node in taken:
                found.splits.append((node, leaf, n_leaves))
                n_leaves += 1
            for (_, leaf, node), (_, _, right) in zip(taken, found.splits[-most:], strict=True):
                if self.nodes[node].children:
                    offer(leaf, self.nodes[node].children[0])
                    offer(right, self.nodes[node].children[1])
                else:
                    found.missing.append(node)
        return found

    def descent(self, split: Sequence[int], place: Any) -> Descent:
        """Return the way down from nodes that were split; `place` tells plane and column of a feature."""
        split_of = np.full(len(self.nodes), -1)
        split_of[list(split)] = np.arange(len(split))
        nodes = [self.nodes[node] for node in split]
        places = np.array([place[node.feature] for node in nodes], np.int64).reshape(-1, 2)
        return Descent(
            split_of,
            np.ascontiguousarray(places[:, 0]),
            np.ascontiguousarray(places[:, 1]),
            np.array([node.goes_left for node in nodes], np.uint8).reshape(-1, self._width),
            np.array([node.children for node in nodes], np.int64).reshape(-1, 2),
        )

    def tree(self, order: Order) -> tuple[Tree, NDArray[np.uint32]]:
        """Return the tree, without leaf values, and of every node the leaf that its rows are in."""
        n = len(order.splits)
        number = {node: k for k, (node, _, _) in enumerate(order.splits)}
        children, ends = (
            np.zeros((n, 2), np.int64),
            np.zeros(n + 1, np.int64),
        )  # `ends`: the nodes that stay leaves
        leaf_of = np.zeros(len(self.nodes), np.uint32)
        for k, (node, *leaves) in enumerate(order.splits):
            for side, (child, leaf) in enumerate(zip(self.nodes[node].children, leaves, strict=True)):
                children[k, side] = number.get(child, ~leaf)
                leaf_of[child] = leaf
                if child not in number:
                    ends[leaf] = child
        for node, one in enumerate(self.nodes):  # children stand after their parents
            if node not in number and one.children:
                leaf_of[list(one.children)] = leaf_of[node]
        nodes = [self.nodes[node] for node, _, _ in order.splits]
        totals = self.totals[ends]
        tree = Tree(
            features=np.array([node.feature for node in nodes], np.int64),
            splits=np.concatenate([np.zeros(0, SPLIT), *(node.split for node in nodes)]).view(np.recarray),
            goes_left=np.array([node.goes_left for node in nodes], np.uint8).reshape(-1, self._width),
            children=children,
            bounds=np.column_stack([totals["low"], totals["high"]]),
            leaf_count=totals["count"].copy(),
            leaf_value=np.zeros(n + 1),
        )
        return tree, leaf_of
