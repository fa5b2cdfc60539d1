"""Histograms of binned rows: for every column and bin the sums of gradients, hessians and rows.

Indices are unsigned: Numba lets signed ones count from the end, which takes three times as long.
"""

from __future__ import annotations

import numpy as np

from scalable.kernels.histogram.packing import unpacked
from scalable.kernels.histogram.prefetch import AHEAD, LINE, prefetch
from scalable.kernels.jit import kernel

GRADIENT, HESSIAN, COUNT = range(3)
_U = np.uint64
_ONE, _TWO, _THREE, _FOUR = _U(1), _U(2), _U(3), _U(4)


@kernel(inline=True)
def _add_row(bins: np.ndarray, row: int, value: int, sums: np.ndarray) -> None:
    """Add one row's packed value to its bin of every column; four columns at a time keep the loop short."""
    n_columns = _U(bins.shape[1])
    whole = n_columns & ~_THREE
    j = _U(0)
    while j < whole:
        a, b = _U(bins[row, j]), _U(bins[row, j + _ONE])
        c, d = _U(bins[row, j + _TWO]), _U(bins[row, j + _THREE])
        sums[j, a] += value
        sums[j + _ONE, b] += value
        sums[j + _TWO, c] += value
        sums[j + _THREE, d] += value
        j += _FOUR
    while j < n_columns:
        sums[j, _U(bins[row, j])] += value
        j += _ONE


@kernel()
def add_all_rows(
    bins: np.ndarray,
    packed: np.ndarray,
    first: np.ndarray,
    widths: np.ndarray,
    count_bits: int,
    hessian_bits: int,
    sums: np.ndarray,
    histogram: np.ndarray,
) -> None:
    """Add all rows to a histogram.

    Parameters
    ----------
    bins : uint8 or uint16 array (n_rows, n_columns), C-contiguous
    packed : int64 array (n_rows,)
        See `scalable.kernels.histogram.packing`; 0 for rows that are left out.
    first, widths : int64 array (n_columns,)
        Place of each column's first bin in the histogram, and its number of bins.
    count_bits, hessian_bits : int
        Of the packing.
    sums : int64 array (n_columns, most bins of a column)
        Working space, zero before and after.
    histogram : int64 array (3, n_bins of all features)
        Added to.
    """
    n_rows = bins.shape[0]
    block = (1 << count_bits) - 1
    for start in range(0, n_rows, block):
        for i in range(start, min(n_rows, start + block)):
            _add_row(bins, _U(i), packed[_U(i)], sums)
        flush(sums, first, widths, count_bits, hessian_bits, histogram)


@kernel()
def add_rows(
    bins: np.ndarray,
    packed: np.ndarray,
    rows: np.ndarray,
    first: np.ndarray,
    widths: np.ndarray,
    count_bits: int,
    hessian_bits: int,
    sums: np.ndarray,
    histogram: np.ndarray,
) -> None:
    """Add chosen rows to a histogram.

    Parameters
    ----------
    rows : uint32 array (n_chosen,)
        Which rows; ascending ones are read fastest.
    bins, packed, first, widths, count_bits, hessian_bits, sums, histogram
        As for `add_all_rows`.
    """
    n = rows.shape[0]
    flat = bins.reshape(bins.size)
    row_items = _U(bins.shape[1])
    line_items = _U(LINE // bins.itemsize)
    block = (1 << count_bits) - 1
    for start in range(0, n, block):
        stop = min(n, start + block)
        for i in range(start, stop):
            if i + AHEAD < n:
                later = _U(rows[_U(i + AHEAD)])
                prefetch(packed, later)
                at, end = later * row_items, (later + _ONE) * row_items
                while at < end:
                    prefetch(flat, at)
                    at += line_items
            row = _U(rows[_U(i)])
            _add_row(bins, row, packed[row], sums)
        flush(sums, first, widths, count_bits, hessian_bits, histogram)


@kernel()
def flush(
    sums: np.ndarray,
    first: np.ndarray,
    widths: np.ndarray,
    count_bits: int,
    hessian_bits: int,
    histogram: np.ndarray,
) -> None:
    """Move packed sums into a histogram and leave zeros behind; arguments as for `add_all_rows`."""
    for j in range(sums.shape[0]):
        start, own = _U(first[j]), sums[_U(j)]
        g = histogram[GRADIENT][start:]
        h = histogram[HESSIAN][start:]
        n = histogram[COUNT][start:]
        for b in range(widths[j]):
            gradient, hessian, count = unpacked(own[_U(b)], count_bits, hessian_bits)
            g[_U(b)] += gradient
            h[_U(b)] += hessian
            n[_U(b)] += count
            own[_U(b)] = 0


@kernel()
def add_histograms(parts: np.ndarray, start: int, stop: int, out: np.ndarray) -> None:
    """Write the sum of `parts`, shape (n_parts, 3, n_bins), into `out`, bins [start, stop) only."""
    for k in range(3):
        for b in range(start, stop):
            out[k, b] = parts[0, k, b]
        for p in range(1, parts.shape[0]):
            for b in range(start, stop):
                out[k, b] += parts[p, k, b]


@kernel()
def subtract_histogram(parent: np.ndarray, child: np.ndarray, start: int, stop: int) -> None:
    """Turn a parent's histogram into that of the other child, bins [start, stop) only."""
    for k in range(3):
        for b in range(start, stop):
            parent[k, b] -= child[k, b]
