"""Histograms of binned rows: for every column and bin the sums of gradients, hessians and rows.

Indices are unsigned: Numba lets signed ones count from the end, which takes three times as long.
"""

from __future__ import annotations

import numpy as np

from scalable.kernels.histogram.packing import unpacked
from scalable.kernels.histogram.prefetch import AHEAD, LINE, prefetch
from scalable.kernels.jit import kernel

GRADIENT, HESSIAN, COUNT = range(3)
NARROW = 256  # bins that a byte can tell apart, and the width of working space for columns of bytes
_U = np.uint64
_ONE, _TWO, _THREE, _FOUR = _U(1), _U(2), _U(3), _U(4)
_BYTE, _HALF = _U(2**8 - 1), _U(2**16 - 1)
_WIDTH = _U(NARROW)


@kernel(inline=True)
def _add_bytes(words: np.ndarray, at: int, n_columns: int, value: int, sums: np.ndarray) -> None:
    """Add one row's packed value to its bin of every column, four columns a word.

    One load for four bins instead of four: a quarter less time. (Eight a word take thrice as long: LLVM then makes
    vectors of the bins and takes them apart again.)
    """
    base, k = _U(0), _U(0)
    whole = _U(n_columns) // _FOUR
    while k < whole:
        x = _U(words[at + k])
        sums[base + (x & _BYTE)] += value
        sums[base + _WIDTH + ((x >> _U(8)) & _BYTE)] += value
        sums[base + _TWO * _WIDTH + ((x >> _U(16)) & _BYTE)] += value
        sums[base + _THREE * _WIDTH + (x >> _U(24))] += value
        base += _FOUR * _WIDTH
        k += _ONE
    if _U(n_columns) & _THREE:
        x = _U(words[at + whole])
        for _ in range(_U(n_columns) & _THREE):
            sums[base + (x & _BYTE)] += value
            x >>= _U(8)
            base += _WIDTH


@kernel(inline=True)
def _add_halves(words: np.ndarray, at: int, n_columns: int, width: int, value: int, sums: np.ndarray) -> None:
    """Add one row's packed value to its bin of every column, two columns a word."""
    for j in range(n_columns):
        x = (_U(words[at + _U(j) // _TWO]) >> (_U(16) * (_U(j) & _ONE))) & _HALF
        sums[_U(j) * _U(width) + x] += value


@kernel()
def add_all_rows(
    words: np.ndarray,
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
    words : uint32 array (n_rows, n_words)
        Each row's bins, of a byte where `sums` is `NARROW` wide and else of two, and zeros to a whole word.
    packed : int64 array (n_rows,)
        See `scalable.kernels.histogram.packing`.
    first, widths : int64 array (n_columns,)
        Place of each column's first bin in the histogram, and its number of bins.
    count_bits, hessian_bits : int
        Of the packing.
    sums : int64 array (n_columns, width)
        Working space, zero before and after.
    histogram : int64 array (3, n_bins of all features)
        Added to.
    """
    n_rows, n_words = words.shape
    flat, space = words.reshape(words.size), sums.reshape(sums.size)
    n_columns, width = sums.shape
    block = (1 << count_bits) - 1
    for start in range(0, n_rows, block):
        for i in range(start, min(n_rows, start + block)):
            at = _U(i) * _U(n_words)
            if width == NARROW:
                _add_bytes(flat, at, n_columns, packed[_U(i)], space)
            else:
                _add_halves(flat, at, n_columns, width, packed[_U(i)], space)
        flush(sums, first, widths, count_bits, hessian_bits, histogram)


@kernel()
def add_rows(
    words: np.ndarray,
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
    words, packed, first, widths, count_bits, hessian_bits, sums, histogram
        As for `add_all_rows`.
    """
    n, n_words = rows.shape[0], _U(words.shape[1])
    flat, space = words.reshape(words.size), sums.reshape(sums.size)
    n_columns, width = sums.shape
    block = (1 << count_bits) - 1
    for start in range(0, n, block):
        for i in range(start, min(n, start + block)):
            if i + AHEAD < n:
                later = _U(rows[_U(i + AHEAD)])
                prefetch(packed, later)
                at, last = later * n_words, (later + _ONE) * n_words - _ONE
                while at < last:
                    prefetch(flat, at)
                    at += _U(LINE // 4)
                prefetch(flat, last)
            row = _U(rows[_U(i)])
            at = row * n_words
            if width == NARROW:
                _add_bytes(flat, at, n_columns, packed[row], space)
            else:
                _add_halves(flat, at, n_columns, width, packed[row], space)
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
