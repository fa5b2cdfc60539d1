"""The leaves of a tree that is growing, and the rows it grows on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


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
