"""From the values of one feature to what its dataset stores for their bins."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.boosting.dataset.binary_layout import Mapper
from scalable.kernels.encode.binning import bin_categories, bin_numbers

_CELLS_A_BOUND = 4  # quantiles crowd where values do: most cells then hold one bound at most
_MOST_CELLS = 2**12


class BinSearch:
    """Finds the bins of values; made once a feature, called once a block, by any thread.

    Parameters
    ----------
    mapper : Mapper
        The feature's bins.
    first : int
        Code of its first stored bin, where features share a store.
    """

    def __init__(self, mapper: Mapper, first: int) -> None:
        codes = mapper.codes(first)
        self._categorical = mapper.bounds is None
        if mapper.bounds is None:
            assert mapper.categories is not None
            known = int(mapper.categories.max(initial=-1)) + 1
            self._codes = np.full(known + 1, codes[0], np.uint32)
            for bin_, category in enumerate(mapper.categories.tolist()):
                if category >= 0:
                    self._codes[category] = codes[bin_]
            return
        inner = mapper.bounds[: max(0, mapper.n_bins - 1 - mapper.missing_nan)]
        self._low, self._scale, self._first, self._steps = cells_of(inner)
        self._bounds = np.append(inner, np.full(2**self._steps, np.inf))
        self._codes = codes
        self._missing = mapper.n_bins - 1 if mapper.missing_nan else -1

    def __call__(self, rows: NDArray[Any], column: int, out: NDArray[Any]) -> None:
        """Write the codes of a column of `rows` into `out`, but where they are 0."""
        if self._categorical:
            bin_categories(rows, column, self._codes, out)
        else:
            args = (self._bounds, self._first, self._low, self._scale, self._steps, self._missing)
            bin_numbers(rows, column, *args, self._codes, out)


def cells_of(bounds: NDArray[np.float64]) -> tuple[float, float, NDArray[np.uint32], int]:
    """Divide the range of ascending `bounds` into equally wide cells.

    Returns
    -------
    low, scale : float
        A value's cell is ``(value - low) * scale``, held to the cells there are; it never falls as values rise.
    first : uint32 array of shape (n_cells,)
        Of each cell, how many bounds lie in the cells before it.
    steps : int
        Halvings that find a place among the bounds of any one cell.
    """
    n_cells = min(_MOST_CELLS, _CELLS_A_BOUND * len(bounds) + 1)
    low = float(bounds[0]) if len(bounds) else 0.0
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        # A range that overflows, or of no width, leaves one cell in use and a search among all bounds.
        scale = float(n_cells / (bounds[-1] - low)) if len(bounds) else 0.0
        scale = scale if np.isfinite(scale) else 0.0
        cells = (bounds - low) * scale
    cells = np.where(cells > 0, np.minimum(cells, n_cells - 1), 0).astype(np.int64)
    most = int(np.bincount(cells, minlength=1).max())
    return low, scale, np.searchsorted(cells, np.arange(n_cells)).astype(np.uint32), most.bit_length()
