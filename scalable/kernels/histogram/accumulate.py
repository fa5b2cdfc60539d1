"""Histograms of binned rows: for every column and bin the sums of gradients, hessians and rows.

A processor stores one sum a cycle, and that is the limit: a row costs a cycle a column. Indices are unsigned: Numba
lets signed ones count from the end, which takes three times as long.
"""

from __future__ import annotations

import numpy as np

from scalable.kernels.histogram.packing import unpacked
from scalable.kernels.jit import kernel
from scalable.kernels.prefetch import AHEAD, prefetch

GRADIENT, HESSIAN, COUNT = range(3)
NARROW = 256  # bins that a byte can tell apart
_U = np.uint64
_ONE, _TWO, _THREE, _FOUR, _EIGHT = _U(1), _U(2), _U(3), _U(4), _U(8)
_BYTE = _U(2**8 - 1)


def apart(n_bins: int) -> int:
    """Return the width of a column's packed sums: an odd number of cache lines that hold so many bins.

    Columns 256 sums apart have their same bins in two lines of sixty-four, and a processor takes a load for that of the
    store before it whose address ends alike: where most values are the same bin, that took 7 to 28 times as long.
    """
    return (-(-n_bins // 8) | 1) * 8


NARROW_SUMS = apart(NARROW)  # of columns of bytes
_WIDTH = _U(NARROW_SUMS)


@kernel(inline=True)
def _add_word(words: np.ndarray, at: int, base: int, value: int, sums: np.ndarray) -> None:
    """Add a row's packed value to its bins of four columns: one load for four bins instead of four."""
    x = _U(words[at])
    sums[base + (x & _BYTE)] += value
    sums[base + _WIDTH + ((x >> _U(8)) & _BYTE)] += value
    sums[base + _TWO * _WIDTH + ((x >> _U(16)) & _BYTE)] += value
    sums[base + _THREE * _WIDTH + (x >> _U(24))] += value


@kernel(inline=True)
def _add_words(words: np.ndarray, at: int, n_columns: int, value: int, sums: np.ndarray) -> None:
    """Add one row's packed value to its bin of every column.

    Eight words, then four, two, one: a loop over single words ends where the processor does not expect it, a third more
    time. (Words of 64 bits take thrice as long: LLVM makes vectors of the bins and takes them apart again.)
    """
    base, k, whole = _U(0), _U(0), n_columns // _FOUR
    while k + _EIGHT <= whole:
        for j in range(8):
            _add_word(words, at + k + _U(j), base + _FOUR * _WIDTH * _U(j), value, sums)
        k += _EIGHT
        base += _EIGHT * _FOUR * _WIDTH
    left = whole - k
    if left & _FOUR:
        for j in range(4):
            _add_word(words, at + k + _U(j), base + _FOUR * _WIDTH * _U(j), value, sums)
        k += _FOUR
        base += _FOUR * _FOUR * _WIDTH
    if left & _TWO:
        for j in range(2):
            _add_word(words, at + k + _U(j), base + _FOUR * _WIDTH * _U(j), value, sums)
        k += _TWO
        base += _TWO * _FOUR * _WIDTH
    if left & _ONE:
        _add_word(words, at + k, base, value, sums)
        k += _ONE
        base += _FOUR * _WIDTH
    if n_columns & _THREE:
        x = _U(words[at + k])
        for _ in range(n_columns & _THREE):
            sums[base + (x & _BYTE)] += value
            x >>= _U(8)
            base += _WIDTH


@kernel()
def add_rows(
    words: np.ndarray, packed: np.ndarray, rows: np.ndarray, start: int, stop: int, sums: np.ndarray
) -> None:
    """Add rows to the sums of all columns of bytes.

    Parameters
    ----------
    words : uint32 array (n_rows, n_words)
        Each row's bins, and zeros to a whole word.
    packed : int64 array (n_rows,)
        See `scalable.kernels.histogram.packing`.
    rows : uint32 array (n_chosen,)
        Row numbers; ascending ones are read fastest.
    start, stop : int
        Which of them; no more than the packing's block.
    sums : int64 array (n_columns, NARROW_SUMS)
        Added to.
    """
    n_words, n_columns, n = _U(words.shape[1]), _U(sums.shape[0]), rows.shape[0]
    flat, space = words.reshape(words.size), sums.reshape(sums.size)
    for i in range(start, stop):
        if i + AHEAD < n:
            later = _U(rows[_U(i + AHEAD)])
            prefetch(packed, later)
            prefetch(flat, later * n_words)
            prefetch(flat, (later + _ONE) * n_words - _ONE)
        row = _U(rows[_U(i)])
        _add_words(flat, row * n_words, n_columns, packed[row], space)


@kernel()
def add_columns(
    matrix: np.ndarray,
    columns: np.ndarray,
    packed: np.ndarray,
    rows: np.ndarray,
    start: int,
    stop: int,
    sums: np.ndarray,
) -> None:
    """Do the same for some columns only.

    Parameters
    ----------
    matrix : uint8 or uint16 array (n_rows, at least n_columns)
    columns : int64 array (n_chosen,)
        Their places.
    packed, rows, start, stop
        As for `add_rows`.
    sums : int64 array (n_columns, width)
        Added to, in the rows of the chosen columns.
    """
    stride, width, n = _U(matrix.shape[1]), _U(sums.shape[1]), rows.shape[0]
    flat, space = matrix.reshape(matrix.size), sums.reshape(sums.size)
    for i in range(start, stop):
        if i + AHEAD < n:
            later = _U(rows[_U(i + AHEAD)])
            prefetch(packed, later)
            prefetch(flat, later * stride)
            prefetch(flat, (later + _ONE) * stride - _ONE)
        row = _U(rows[_U(i)])
        at, value = row * stride, packed[row]
        for j in range(columns.shape[0]):
            column = _U(columns[_U(j)])
            space[column * width + _U(flat[at + column])] += value


@kernel()
def flush(
    sums: np.ndarray,
    columns: np.ndarray,
    first: np.ndarray,
    widths: np.ndarray,
    count_bits: int,
    hessian_bits: int,
    again: bool,
    histogram: np.ndarray,
) -> None:
    """Move packed sums of some columns into a histogram and leave zeros behind.

    Parameters
    ----------
    sums : int64 array (n_columns, width)
    columns : int64 array (n_chosen,)
    first, widths : int64 array (n_columns,)
        Place of each column's first bin in the histogram, and its number of bins.
    count_bits, hessian_bits : int
        Of the packing.
    again : bool
        Whether to add to what the histogram holds, or to write over it.
    histogram : int64 array (3, n_bins of all features)
    """
    for j in columns:
        take(sums[j], 0, widths[j], first[j], count_bits, hessian_bits, again, True, histogram)


@kernel()
def take(
    sums: np.ndarray,
    at: int,
    n: int,
    first: int,
    count_bits: int,
    hessian_bits: int,
    again: bool,
    clear: bool,
    histogram: np.ndarray,
) -> None:
    """Move n packed sums from place `at` on, as `flush` does; leave them as they are unless told to `clear`."""
    start, own = _U(first), sums[_U(at) : _U(at + n)]
    g = histogram[GRADIENT][start:]
    h = histogram[HESSIAN][start:]
    c = histogram[COUNT][start:]
    if again:
        for b in range(n):
            gradient, hessian, count = unpacked(own[_U(b)], count_bits, hessian_bits)
            g[_U(b)] += gradient
            h[_U(b)] += hessian
            c[_U(b)] += count
    else:
        for b in range(n):
            g[_U(b)], h[_U(b)], c[_U(b)] = unpacked(own[_U(b)], count_bits, hessian_bits)
    if clear:
        own[:] = 0


@kernel()
def add_packed(sums: np.ndarray, at: int, other: int, n: int) -> None:
    """Add n packed sums from place `other` on to those from `at` on; all of their rows fit a block."""
    to, of = sums[_U(at) : _U(at + n)], sums[_U(other) : _U(other + n)]
    for b in range(n):
        to[b] += of[b]


@kernel()
def add_to(out: np.ndarray, other: np.ndarray, start: int, stop: int) -> None:
    """Add the bins [start, stop) of another histogram."""
    for k in range(3):
        a, b = out[k, start:stop], other[k, start:stop]
        for i in range(stop - start):
            a[i] += b[i]


@kernel()
def subtract(parent: np.ndarray, child: np.ndarray, start: int, stop: int) -> None:
    """Turn a parent's histogram into that of the other child, bins [start, stop) only."""
    for k in range(3):
        a, b = parent[k, start:stop], child[k, start:stop]
        for i in range(stop - start):
            a[i] -= b[i]
