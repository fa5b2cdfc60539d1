"""Counts of values in the bins of a reference, by period: the inner loops of monitoring.

All columns of a block are counted by one call. A call a column would give away the interpreter's lock, and wait for it
again, some dozens of times a block; and a block of a few rows, as a server counts them, costs as much as its calls.

Rows come in runs of one period. A run's numbers are held against one edge after another while they are in the nearest
cache: how many lie above each says how many lie between, in vectors, without a place of each value and without waiting
for a counter that was just changed.
"""

from __future__ import annotations

import numpy as np
from numba import carray

from scalable.kernels.copying import copy_values
from scalable.kernels.encode.columns import BITS, FLOAT32, FLOAT64, INT32, INT64, widen
from scalable.kernels.jit import kernel
from scalable.kernels.memory import as_pointer
from scalable.kernels.parquet.bits import expand_bits

# Places in the description of a column: four as `scalable.data.values.place_of` says them, then ours.
ADDRESS, VALID, FIRST, KIND, TO, SIZE, BINS, WIDE, SINGLE, WHOLE = range(10)
FIELDS = 10
CODES = FLOAT64 + 1  # a further kind: places in a dictionary
STRIP = 2048  # values held against all edges before the next
SIDES = 4  # counters of a bin, of which neighbouring rows use different ones
_BYTES = (1, 2, 4, 8, 0, 4, 8, 4)  # of a value, by kind; bits count from their first byte
_LEAST = float(np.iinfo(np.int32).min)
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
def _fill(column: np.ndarray, begin: int, filler: float, present: np.ndarray, out: np.ndarray) -> int:
    """Write a filler where values from row `begin` on are null; return how many are."""
    typed = np.empty(1, out.dtype)  # a wider constant would widen every selection
    typed[0] = filler
    instead = typed[0]
    first, n, nulls = column[FIRST] + begin, out.size, np.int32(0)
    valid = carray(as_pointer(np.uintp(column[VALID])), ((first + n + 7) // 8,), np.uint8)
    expand_bits(valid, first >> 3, first & 7, (first & 7) + n, present)
    for i in range(n):
        out[i] = out[i] if present[i] else instead
        nulls = np.int32(nulls + np.int32(present[i] == 0))
    return int(nulls)


@kernel()
def _load(column: np.ndarray, begin: int, filler: float, present: np.ndarray, out: np.ndarray) -> int:
    """Write values from row `begin` on, `filler` where they are null; return how many are."""
    kind = column[KIND]
    widen(kind, column[ADDRESS] + begin * _BYTES[kind], column[FIRST] + begin, out)
    return _fill(column, begin, filler, present, out) if column[VALID] else 0


@kernel()
def _count_numbers(
    column: np.ndarray,
    edges_at: int,
    lies: bool,
    filler: float,
    order: np.ndarray,
    begins: np.ndarray,
    places: np.ndarray,
    present: np.ndarray,
    strip: np.ndarray,
    counts: np.ndarray,
) -> None:
    """Add one to the bin of each number, of the type of `strip` and of the edges.

    `lies` says that they are of that type in memory, without nulls.
    """
    n, n_edges, first = begins[-1], column[SIZE], column[TO]
    edges = carray(as_pointer(np.uintp(edges_at)), (n_edges,), strip.dtype)
    values = carray(as_pointer(np.uintp(column[ADDRESS])), (n,), strip.dtype)
    if order.size and not lies:
        values = np.empty(n, strip.dtype)
        for begin in range(0, n, STRIP):
            _load(column, begin, filler, present, values[begin : begin + STRIP])
    for run in range(places.shape[0]):
        row = counts[np.uint64(places[run])]
        for begin in range(begins[run], begins[run + 1], STRIP):
            some, nulls = strip[: min(STRIP, begins[run + 1] - begin)], 0
            if order.size:
                for i in range(some.size):
                    some[i] = values[np.uint64(order[begin + i])]
            elif lies:
                some = values[begin : begin + some.size]
            else:
                nulls = _load(column, begin, filler, present, some)
            left = _present(some)
            if not np.isnan(filler):  # by which what is missing was not told
                left -= nulls
            row[first + n_edges + 1] += some.size - left
            for k in range(n_edges):
                if left == 0:
                    break
                above = _above(some, edges[k])
                row[first + k] += left - above
                left = above
            row[first + n_edges] += left


@kernel()
def _count_codes(
    column: np.ndarray,
    order: np.ndarray,
    begins: np.ndarray,
    places: np.ndarray,
    present: np.ndarray,
    codes: np.ndarray,
    work: np.ndarray,
    counts: np.ndarray,
) -> None:
    """Add one to the bin of each code."""
    n, last, first = begins[-1], np.uint32(column[SIZE]), column[TO]
    bins = carray(as_pointer(np.uintp(column[WIDE])), (column[SIZE] + 1,), np.uint32)
    values = carray(as_pointer(np.uintp(column[ADDRESS])), (n,), np.int32)
    if column[VALID]:
        copy_values(values, codes[:n])
        for begin in range(0, n, STRIP):
            _fill(column, begin, float(last), present, codes[begin : min(begin + STRIP, n)])
        values = codes[:n]
    if order.size:
        rows, values = values, np.empty(n, np.int32)
        for i in range(n):
            values[i] = rows[np.uint64(order[i])]
    for run in range(places.shape[0]):
        work[: SIDES * column[BINS]] = 0
        for i in range(begins[run], begins[run + 1]):
            work[np.uint64(bins[min(np.uint32(values[i]), last)] * SIDES + (i & (SIDES - 1)))] += 1
        row = counts[np.uint64(places[run])]
        for k in range(column[BINS]):
            row[first + k] += work[4 * k] + work[4 * k + 1] + work[4 * k + 2] + work[4 * k + 3]


@kernel()
def _is_small(column: np.ndarray, n: int) -> bool:
    """Return whether integers of 64 bits are also such of 32."""
    values = carray(as_pointer(np.uintp(column[ADDRESS])), (n,), np.int64)
    low, high = np.int64(0), np.int64(0)
    for i in range(n):
        low, high = min(low, values[i]), max(high, values[i])
    return bool(low >= -(2**31) and high < 2**31)


@kernel()
def count_columns(
    columns: np.ndarray, order: np.ndarray, begins: np.ndarray, places: np.ndarray, counts: np.ndarray
) -> None:
    """Add one to the bin of each value of each column.

    Parameters
    ----------
    columns : int64 array (n_columns, 10)
        Address of the first value (of bits: of the first byte); address of the validity bitmap, or 0; bit of the first
        value; kind: one of `scalable.kernels.encode.columns`, or `CODES`, of int32. Column of `counts` where its bins
        begin. Of numbers, whose missing values NaN is among: how many edges there are, ascending, 0, and the addresses
        of these as float64, as float32 (of which above lie the same values of float32), and as int32 (the same), 0
        where that holds them not; a value's bin is the number of edges below it, that of missing values the last. Of
        codes: how many there are, how many bins, and the address of the bin (uint32) of each code, then of null and
        of all codes beyond.
    order : int64 array (n,) or (0,)
        Rows in order of the runs, where they do not come in it.
    begins : int64 array (n_runs + 1,)
        First row of each run of one period, and behind the last one n.
    places : int64 array (n_runs,)
        Row of `counts` of each run.
    counts : int64 array (n_periods, size)
        Updated.
    """
    n, most = begins[-1], np.int64(0)
    for k in range(columns.shape[0]):
        most = max(most, columns[k, BINS])
    present, work, codes = np.empty(STRIP, np.uint8), np.empty(SIDES * most, np.int32), np.empty(n, np.int32)
    whole, single, wide = np.empty(STRIP, np.int32), np.empty(STRIP, np.float32), np.empty(STRIP)
    for k in range(columns.shape[0]):
        column = columns[k]
        kind, null = column[KIND], column[VALID] != 0
        if kind == CODES:
            _count_codes(column, order, begins, places, present, codes, work, counts)
        elif kind == FLOAT32:
            at, lies = column[SINGLE], not null
            _count_numbers(column, at, lies, np.nan, order, begins, places, present, single, counts)
        elif (
            kind <= BITS
            and column[WHOLE]
            and not (null and order.size)  # of which null is not told from the least number
            and (kind != INT64 or _is_small(column, n))
        ):
            at, lies = column[WHOLE], kind == INT32 and not null
            _count_numbers(column, at, lies, _LEAST, order, begins, places, present, whole, counts)
        else:
            at, lies = column[WIDE], kind == FLOAT64 and not null
            _count_numbers(column, at, lies, np.nan, order, begins, places, present, wide, counts)
