"""A grown tree: its splits in bins, its leaves in rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.kernels.histogram.gain import SPLIT

Array = NDArray[Any]


@dataclass(slots=True)
class Tree:
    """Splits and leaves; node k of ``n_leaves - 1`` was split k-th, children below zero are ``~leaf``.

    Attributes
    ----------
    features : int64 array (n_nodes,)
        Of each node.
    splits : record array (n_nodes,) of `scalable.kernels.histogram.gain.SPLIT`
        Of each node.
    goes_left : uint8 array (n_nodes, most bins)
        1 for bins whose rows go left.
    children : int64 array (n_nodes, 2)
        Left and right.
    bounds : float64 array (n_leaves, 2)
        What monotone constraints allow.
    starts, counts : int64 array (n_leaves, n_parts)
        Where each leaf's rows stand in every part; of use while the rows stand so.
    leaf_count, leaf_weight, leaf_value : arrays (n_leaves,)
        Rows, sum of hessians, answer.
    node_count, node_weight, node_value : arrays (n_nodes,)
        The same of nodes, were they leaves.
    """

    features: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    splits: Any = field(default_factory=lambda: np.empty(0, SPLIT).view(np.recarray))
    goes_left: NDArray[np.uint8] = field(default_factory=lambda: np.empty((0, 1), np.uint8))
    children: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 2), np.int64))
    bounds: Array = field(default_factory=lambda: np.array([[-np.inf, np.inf]]))
    starts: Array = field(default_factory=lambda: np.zeros((1, 0), np.int64))
    counts: Array = field(default_factory=lambda: np.zeros((1, 0), np.int64))
    leaf_count: Array = field(default_factory=lambda: np.zeros(1, np.int64))
    leaf_weight: Array = field(default_factory=lambda: np.zeros(1))
    leaf_value: Array = field(default_factory=lambda: np.zeros(1))
    node_count: Array = field(default_factory=lambda: np.zeros(0, np.int64))
    node_weight: Array = field(default_factory=lambda: np.zeros(0))
    node_value: Array = field(default_factory=lambda: np.zeros(0))
    shrinkage: float = 1.0

    @property
    def n_leaves(self) -> int:
        """Leaves."""
        return len(self.leaf_value)
