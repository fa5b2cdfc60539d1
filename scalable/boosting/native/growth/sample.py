"""The rows that a tree grows on."""

from __future__ import annotations

from dataclasses import dataclass

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
    """

    packed: NDArray[np.int64]
    rows: NDArray[np.uint32]
    scratch: NDArray[np.uint32]
