"""Which features a tree, and a node of it, may split on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scalable.boosting.native.bins import Bins
from scalable.boosting.native.settings import Settings


def hash_key(seed: int, *counters: int) -> np.uint64:
    """Return 64 random bits of a seed and counters: keys of streams that have nothing to do with one another."""
    return np.uint64(np.random.SeedSequence([seed % 2**32, *counters]).generate_state(1, np.uint64)[0])


@dataclass(frozen=True, slots=True)
class FeatureChoice:
    """The features of one tree.

    Attributes
    ----------
    features : int64 array (n,)
        Ascending.
    columns : tuple of int
        Matrix column of every feature, for interaction constraints.
    settings : Settings
        Shares, seeds and constraints.
    tree : int
        Number of the tree.
    """

    features: NDArray[np.int64]
    columns: tuple[int, ...]
    settings: Settings
    tree: int

    @classmethod
    def of_tree(cls, bins: Bins, settings: Settings, tree: int) -> FeatureChoice:
        """Draw the features of a tree."""
        features = np.arange(len(bins.columns), dtype=np.int64)
        drawn = _draw(features, settings.feature_fraction, settings.seeds["feature_fraction"], tree)
        return cls(drawn, bins.columns, settings, tree)

    @property
    def of_all_nodes(self) -> bool:
        """Whether every node may split on the same features, at any threshold."""
        settings = self.settings
        return not (
            settings.groups or settings.feature_fraction_bynode < 1 or settings.rules["extra_trees"][0]
        )

    def of_node(self, node: int, path: frozenset[int]) -> NDArray[np.int64]:
        """Return the features that a node may split on, below splits on the features `path`."""
        features = self.features
        if self.settings.groups:
            used = {self.columns[f] for f in path}
            allowed = frozenset[int]().union(*(group for group in self.settings.groups if used <= group))
            features = np.array([f for f in features.tolist() if self.columns[f] in allowed], np.int64)
        share = self.settings.feature_fraction_bynode
        return _draw(features, share, self.settings.seeds["feature_fraction"], self.tree, 1 + node)

    def key(self, node: int) -> np.uint64:
        """Return what draws the thresholds of extremely randomised trees at a node."""
        if not self.settings.rules["extra_trees"][0]:
            return np.uint64(0)
        return hash_key(self.settings.seeds["extra"], self.tree, node)


def _draw(features: NDArray[np.int64], share: float, seed: int, *counters: int) -> NDArray[np.int64]:
    if share >= 1 or not len(features):
        return features
    n = max(1, round(len(features) * share))
    order = np.random.default_rng([seed % 2**32, *counters]).permutation(len(features))
    return np.sort(features[order[:n]])
