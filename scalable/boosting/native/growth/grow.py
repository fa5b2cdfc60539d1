"""Leaf-wise growth: the leaf that gains most is split next, or the few that do, together.

The smaller child's histogram is summed, the other's is what is left of the parent's. All sums are integers, so neither
threads nor the order of rows can change a split. What a split does is in `scalable.kernels.histogram.leafwise`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.boosting.native.bins import Bins
from scalable.boosting.native.crew import Crew
from scalable.boosting.native.growth.features import FeatureChoice
from scalable.boosting.native.growth.histograms import Histograms
from scalable.boosting.native.growth.renew import alone
from scalable.boosting.native.growth.sample import Sample
from scalable.boosting.native.growth.tree import Tree
from scalable.boosting.native.peers import Peers
from scalable.boosting.native.rows import Part
from scalable.boosting.native.settings import Settings
from scalable.kernels.histogram.gain import LEAF, SPLIT
from scalable.kernels.histogram.leafwise import (
    LEAST_ROWS,
    LEFT,
    MAX_DEPTH,
    N_LEAVES,
    N_STATE,
    STANDING,
    Growth,
)
from scalable.kernels.histogram.packing import Packing

NO_FEATURES: frozenset[int] = frozenset()


class Grower:
    """Grows one tree after another from the same bins; parameters as for `Histograms`."""

    def __init__(
        self, bins: Bins, parts: Sequence[Part], settings: Settings, crew: Crew, peers: Peers
    ) -> None:
        self.bins, self.settings, self.peers = bins, settings, peers
        self._histograms = Histograms(bins, parts, settings, crew, peers)
        n, n_parts, width = settings.num_leaves, len(parts), int(bins.features["n_bins"].max(initial=1))
        size = 2 ** max(1, (n - 1).bit_length())
        self._first = (
            np.arange(2 * size) - size
        )  # of equal gains everywhere: the leftmost leaf below each place
        for at in range(size - 1, 0, -1):
            self._first[at] = self._first[2 * at]
        told = n if bins.has_categories and peers.n_workers > 1 else 0
        self._kept: dict[str, Any] = {
            "state": np.zeros(N_STATE, np.int64),
            "leaves": np.zeros(n, STANDING),
            "totals": np.zeros(n, LEAF),
            "splits": np.zeros(n, SPLIT),
            "gains": np.empty(size),
            "winners": np.empty(2 * size, np.int64),
            "taken": np.zeros(min(n, settings.leaves_per_round), np.int64),
            "starts": np.zeros((n, n_parts), np.int64),
            "counts": np.zeros((n, n_parts), np.int64),
            "splittable": np.ones((n, len(bins.features)), np.uint8),
            "told": np.zeros((told, width), np.uint8),
            "nodes": np.zeros(n - 1, SPLIT),
            "split_on": np.zeros(n - 1, np.int64),
            "goes_left": np.zeros((n - 1, width), np.uint8),
            "children": np.zeros((n - 1, 2), np.int64),
        }
        self._growth = Growth(**self._kept)

    def grow(
        self,
        samples: Sequence[Sample],
        packing: Packing,
        units: tuple[float, float],
        chosen: FeatureChoice,
    ) -> Tree:
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
        Tree
            Without leaf values; its leaves know their rows.
        """
        growth, counts = self._growth, [len(sample.rows) for sample in samples]
        n_rows = self.peers.whole(sum(counts))
        growth.state[:] = 0
        growth.state[N_LEAVES], growth.state[MAX_DEPTH] = 1, self.settings.max_depth
        growth.state[LEAST_ROWS] = 2 * max(1, int(self.settings.rules["min_data"][0]))
        growth.gains[:], growth.winners[:] = -np.inf, self._first
        growth.leaves[0] = (0, 0, -1, 0, -1, 0)
        growth.totals[0] = (0, 0, n_rows, *units, 0.0, -np.inf, np.inf)
        growth.starts[0], growth.counts[0], growth.splittable[0] = 0, counts, 1
        if len(self.bins.features) and n_rows:
            with self._histograms.growing(growth, samples, packing, chosen.features):
                self._histograms.root()
                if self.settings.rules["path_smooth"][0] > 0:
                    root = growth.totals[0]
                    root["output"] = alone(int(root["gradient"]), int(root["hessian"]), units, self.settings)
                self._search(chosen)
                if chosen.of_all_nodes and self.peers.n_workers == 1:
                    self._histograms.grow()
                else:
                    self._grow_by_steps(chosen)
        return self._tree()

    def _search(self, chosen: FeatureChoice) -> None:
        if self._histograms.ask(0, 0):
            self._histograms.choose(0, chosen.of_node(0, NO_FEATURES), chosen.key(0))
        self._histograms.search()

    def _grow_by_steps(self, chosen: FeatureChoice) -> None:
        """Split leaves where features are drawn for every node or other workers hold rows."""
        growth, histograms = self._growth, self._histograms
        paths = [NO_FEATURES]  # features split on above each leaf, where interactions are constrained
        while taken := histograms.take():
            for leaf in taken:
                histograms.open(leaf)
                left, right = growth.state[LEFT : LEFT + 2].tolist()
                node = right - 1
                if self.settings.groups:
                    paths[left] = paths[left] | {int(growth.split_on[node])}
                paths.append(paths[left])
                for turn, child in enumerate((left, right)):
                    place = 2 * node + 1 + turn
                    if histograms.asks(turn):
                        histograms.choose(turn, chosen.of_node(place, paths[child]), chosen.key(place))
                histograms.split()
            histograms.close()

    def _tree(self) -> Tree:
        growth, n = self._growth, int(self._growth.state[N_LEAVES])

        def of_leaves(array: NDArray[Any]) -> NDArray[Any]:
            return array[:n].copy()

        def of_nodes(array: NDArray[Any]) -> NDArray[Any]:
            return array[: n - 1].copy()

        totals = growth.totals[:n]
        return Tree(
            features=of_nodes(growth.split_on),
            splits=of_nodes(growth.nodes).view(np.recarray),
            goes_left=of_nodes(growth.goes_left),
            children=of_nodes(growth.children),
            bounds=np.column_stack([totals["low"], totals["high"]]),
            starts=of_leaves(growth.starts),
            counts=of_leaves(growth.counts),
            leaf_count=totals["count"].copy(),
            leaf_value=np.zeros(n),
        )
