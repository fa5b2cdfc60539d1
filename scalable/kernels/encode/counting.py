"""Counts of values in the bins of a reference, by period: the inner loops of monitoring.

Rows come in runs of one period. A run's numbers are held against one edge after another while they are in the nearest
cache: how many lie above each says how many lie between, in vectors, without a place of each value and without waiting
for a counter that was just changed.
"""

from __future__ import annotations

import numpy as np

from scalable.kernels.jit import kernel

STRIP = 2048  # values held against all edges before the next
SIDES = 4  # counters of a bin, of which neighbouring rows use different ones
MANTISSA = 6  # bits of it that say, with the exponent, in which cell to look for a probability


@kernel()
def find_runs(times: np.ndarray, width: int, begins: np.ndarray, periods: np.ndarray) -> int:
    """Find the runs of rows that fall into one period.

    Parameters
    ----------
    times : int64 array (n,)
    width : int
        Of a period, in units of `times`; periods count from 0.
    begins : int64 array (most + 1,)
        Output: first row of each run, and behind the last one n.
    periods : int64 array (most,)
        Output: period of each run.

    Returns
    -------
    int
        How many there are, -1 if more than `most`.
    """
    n_runs, begin = 0, np.int64(0)
    for i in range(times.shape[0]):
        if n_runs == 0 or np.uint64(times[i] - begin) >= np.uint64(width):
            if n_runs == periods.shape[0]:
                return -1
            period = times[i] // width
            begin = period * width
            begins[n_runs], periods[n_runs] = i, period
            n_runs += 1
    begins[n_runs] = times.shape[0]
    return n_runs


@kernel(inline=True)
def _above(values: np.ndarray, edge: float) -> int:
    n = np.int32(0)
    for i in range(values.shape[0]):
        n = np.int32(n + np.int32(values[i] > edge))
    return int(n)


@kernel(inline=True)
def _present(values: np.ndarray) -> int:
    n = np.int32(0)
    for i in range(values.shape[0]):
        n = np.int32(n + np.int32(values[i] == values[i]))
    return int(n)


@kernel()
def count_numbers(
    values: np.ndarray,
    edges: np.ndarray,
    begins: np.ndarray,
    places: np.ndarray,
    counts: np.ndarray,
    first: int,
) -> None:
    """Add one to the bin of each number.

    Parameters
    ----------
    values : float32, float64 or int32 array (n,)
        NaN is missing.
    edges : array (n_edges,)
        Of the type of `values`, ascending; a value's bin is the number of edges below it.
    begins : int64 array (n_runs + 1,)
        First row of each run of one period, and behind the last one n.
    places : int64 array (n_runs,)
        Row of `counts` of each run.
    counts : int64 array (n_periods, size)
        Updated: bins begin at column `first`, that of missing values is the last.
    first : int
    """
    n_edges = edges.shape[0]
    for run in range(places.shape[0]):
        row = counts[np.uint64(places[run])]
        for begin in range(begins[run], begins[run + 1], STRIP):
            some = values[begin : min(begin + STRIP, begins[run + 1])]
            left = _present(some)
            row[first + n_edges + 1] += some.shape[0] - left
            for k in range(n_edges):
                if left == 0:
                    break
                above = _above(some, edges[k])
                row[first + k] += left - above
                left = above
            row[first + n_edges] += left


@kernel()
def count_codes(
    codes: np.ndarray,
    bins: np.ndarray,
    work: np.ndarray,
    begins: np.ndarray,
    places: np.ndarray,
    counts: np.ndarray,
    first: int,
) -> None:
    """Add one to the bin of each code.

    Parameters
    ----------
    codes : int32 array (n,)
    bins : uint32 array (n_codes,)
        Bin of each code; beyond them is the last one's.
    work : int32 array (SIDES, n_bins)
        Work space.
    begins, places, counts, first
        As of `count_numbers`.
    """
    last = np.uint32(bins.shape[0] - 1)
    for run in range(places.shape[0]):
        work[:] = 0
        for i in range(begins[run], begins[run + 1]):
            work[np.uint64(i & (SIDES - 1)), bins[min(np.uint32(codes[i]), last)]] += 1
        row = counts[np.uint64(places[run])]
        for k in range(work.shape[1]):
            row[first + k] += work[0, k] + work[1, k] + work[2, k] + work[3, k]


@kernel()
def find_cells(p: np.ndarray, firsts: np.ndarray, bounds: np.ndarray, lowest: int, out: np.ndarray) -> None:
    """Write how many of ascending bounds each probability has reached.

    Exponent and leading bits of the smaller of p and 1 - p say between which two bounds it lies, or beside which one.

    Parameters
    ----------
    p : float64 array (n,)
    firsts : int32 array (2, n_looked_up)
        Bounds that the probabilities of such bits have reached at least: below 1/2, and from there on.
    bounds : float64 array (2, n_looked_up)
        The next one.
    lowest : int
        Exponent and leading bits to which the first entries belong.
    out : int32 array (n,)
    """
    last = firsts.shape[1] - 1
    for i in range(p.shape[0]):
        v = p[i]
        upper = v >= 0.5
        rest = 1.0 - v if upper else v
        cell = (np.float64(rest).view(np.int64) >> (52 - MANTISSA)) - lowest
        at = np.uint64(min(max(cell, 0), last))
        side = np.uint64(1) if upper else np.uint64(0)
        out[i] = firsts[side, at] + np.int32(v >= bounds[side, at])


@kernel()
def add_outcomes(rows: np.ndarray, units: np.ndarray, groups: np.ndarray, sums: np.ndarray) -> None:
    """Add rows of numbers to the sums of their groups, each a whole number of units.

    Parameters
    ----------
    rows : float64 array (n_kinds, n)
    units : float64 array (n_kinds,)
        Units in one.
    groups : int64 array (n,)
    sums : int64 array (n_groups, 1 + n_kinds)
        Updated: how many rows, and the sum of each kind.
    """
    for i in range(groups.shape[0]):
        row = sums[np.uint64(groups[i])]
        row[0] += 1
        for k in range(rows.shape[0]):
            row[k + 1] += np.int64(np.rint(rows[k, i] * units[k]))
