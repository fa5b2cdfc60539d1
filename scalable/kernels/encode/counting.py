"""Counts of values in the bins of a reference, by period: the inner loop of monitoring."""

from __future__ import annotations

import numpy as np

from scalable.kernels.jit import kernel


@kernel()
def count_bins(
    values: np.ndarray, edges: np.ndarray, steps: int, periods: np.ndarray, counts: np.ndarray
) -> None:
    """Add one to the bin of each value.

    Parameters
    ----------
    values : float64 array (n,)
        NaN is missing.
    edges : float64 array (2 ** steps - 1,)
        Ascending, padded with infinity; a value's bin is the number of edges below it.
    steps : int
        Halvings of the search.
    periods : int32 array (n,) or (0,)
        Row of `counts` for each value, within its rows; empty for the first row alone.
    counts : int64 array (n_periods, n_bins + 1)
        Updated; the last column counts missing values.
    """
    missing = counts.shape[1] - 1
    many = periods.shape[0] > 0
    for i in range(values.shape[0]):
        v = values[i]
        place = np.uint64(0)
        half = np.uint64(1) << np.uint64(steps)
        for _ in range(steps):
            half = half >> np.uint64(1)
            place += half if edges[place + half - np.uint64(1)] < v else np.uint64(0)
        if np.isnan(v):
            place = np.uint64(missing)
        counts[np.uint64(periods[i]) if many else np.uint64(0), place] += 1
