"""The leaves of a tree that is growing, and the rows it grows on."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scalable.kernels.histogram.gain import LEAF


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


class Split(NamedTuple):
    """A record of `scalable.kernels.histogram.gain.SPLIT` as Python reads it fastest."""

    kind: int
    gain: float
    threshold: int
    missing_left: int
    gradient: int
    hessian: int
    rows: int
    left_output: float
    right_output: float
    l2: float


@dataclass(slots=True)
class Leaf:
    """A leaf of the tree that is growing.

    Attributes
    ----------
    number, depth : int
        Among the leaves, below the root.
    gradient, hessian, count : int
        Totals over all workers, in units.
    histogram : int
        Place of its histogram.
    starts, counts : list of int
        Where its rows stand in every part.
    output, low, high : float
        What it answers, and what monotone constraints allow it.
    path : frozenset of int
        Features split on above it, where interactions are constrained.
    parent : tuple of int
        Node above it, and on which side it is.
    feature : int
        Of its best split; -1 for none.
    split : Split or None
        The best split.
    goes_left : uint8 array (most bins,) or None
        Bins that the split sends left; None until it is asked for.
    """

    number: int
    depth: int
    gradient: int
    hessian: int
    count: int
    histogram: int
    starts: list[int] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    output: float = 0.0
    low: float = -math.inf
    high: float = math.inf
    path: frozenset[int] = frozenset()
    parent: tuple[int, int] = (-1, 0)
    feature: int = -1
    split: Split | None = None
    goes_left: NDArray[np.uint8] | None = None

    def totals(self, units: tuple[float, float]) -> tuple[float, ...]:
        """Return the fields of its record for the kernels."""
        return (self.gradient, self.hessian, self.count, *units, self.output, self.low, self.high)

    def record(self, units: tuple[float, float]) -> NDArray[Any]:
        """Return its totals for the kernels."""
        record = np.empty(1, LEAF)
        record[0] = self.totals(units)
        return record
