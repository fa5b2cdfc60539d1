"""Bins of values among sorted bounds, for blocks of row-major rows."""

from __future__ import annotations

import numpy as np

from scalable.kernels.jit import kernel

STRIP = 256


@kernel()
def bin_numbers(
    X: np.ndarray,
    column: int,
    bounds: np.ndarray,
    first: np.ndarray,
    low: float,
    scale: float,
    steps: int,
    missing: int,
    codes: np.ndarray,
    out: np.ndarray,
) -> None:
    """Write the code of the first bound that is not below each value of a column.

    The value's cell among equally wide ones says where to begin, a binary search among the bounds of that cell does
    the rest; both without branches and for many values side by side. Bounds that a branch predictor cannot guess
    cost LightGBM's own search a hundred nanoseconds a value.

    Parameters
    ----------
    X : float32 or float64 array (n_rows, n_columns)
        Rows; NaN is missing.
    column : int
        Which column.
    bounds : float64 array (n_bounds + 2 ** steps,)
        Ascending, padded with infinity.
    first : uint32 array (n_cells,)
        Of each cell, how many bounds lie in the cells before it.
    low, scale : float
        A value's cell is ``(value - low) * scale``, the nearest one where there is none.
    steps : int
        Halvings of the search: at most ``2 ** steps - 1`` bounds lie in a cell.
    missing : int
        Place among `codes` of NaN; -1 to treat NaN as 0.
    codes : uint32 array
        What is written for each place among the bounds, and for missing values.
    out : uint8, uint16 or uint32 array (n_rows,)
        Left alone where the code is 0.
    """
    value = np.empty(STRIP)
    place = np.empty(STRIP, np.uint32)  # unsigned: Numba lets signed places count from the end
    last = float(first.shape[0] - 1)
    for start in range(0, X.shape[0], STRIP):
        n = min(STRIP, X.shape[0] - start)
        for i in range(n):
            v = float(X[start + i, column])
            v = 0.0 if np.isnan(v) else v
            cell = (v - low) * scale
            cell = cell if cell > 0.0 else 0.0
            value[i] = v
            place[i] = np.uint32(np.int32(cell if cell < last else last))
        for i in range(n):
            place[i] = first[place[i]]
        half = 1 << steps
        for _ in range(steps):
            half >>= 1
            probes, more = bounds[half - 1 :], np.uint32(half)
            for i in range(n):
                place[i] += more if probes[place[i]] < value[i] else np.uint32(0)
        if missing >= 0:
            for i in range(n):
                place[i] = np.uint32(missing) if np.isnan(X[start + i, column]) else place[i]
        for i in range(n):
            code = codes[place[i]]
            out[start + i] = code if code else out[start + i]


@kernel()
def bin_categories(X: np.ndarray, column: int, codes: np.ndarray, out: np.ndarray) -> None:
    """Write the code of each category of a column; missing, negative and unknown ones have the last code.

    Parameters
    ----------
    X : float32 or float64 array (n_rows, n_columns)
        Rows; categories are truncated to integers.
    column : int
        Which column.
    codes : uint32 array (n_categories + 1,)
        By category; the last for all others.
    out : uint8, uint16 or uint32 array (n_rows,)
        Left alone where the code is 0.
    """
    known = codes.shape[0] - 1
    for i in range(X.shape[0]):
        v = X[i, column]
        code = codes[np.int64(v)] if 0 <= v < known else codes[known]
        if code:
            out[i] = code


@kernel()
def pack_nibbles(values: np.ndarray, first: int, out: np.ndarray) -> None:
    """Pack pairs of values below 16 into bytes, the even row in the lower half.

    Parameters
    ----------
    values : uint8 array (n_rows,)
    first : int
        Index of the first row whose byte is all this block's: 0 or 1.
    out : uint8 array
        Bytes of whole pairs, from that row on.
    """
    for k in range((values.shape[0] - first) // 2):
        out[k] = values[first + 2 * k] | (values[first + 2 * k + 1] << 4)


@kernel()
def count_sparse(values: np.ndarray) -> int:
    """Return the entries of `values` written as gaps of at most 255 rows between its non-zeros."""
    last = count = 0
    for i in range(values.shape[0]):
        if values[i]:
            gap = i - last
            if gap >= 256:
                count += (gap - 1) // 255
            count += 1
            last = i
    return count


@kernel()
def write_sparse(values: np.ndarray, gaps: np.ndarray, kept: np.ndarray) -> None:
    """Write the non-zeros of `values` and the rows since the one before; 255 with a zero bridges wider gaps.

    Parameters
    ----------
    values : uint8, uint16 or uint32 array (n_rows,)
    gaps : uint8 array (n_entries + 1,)
        The last entry is 0.
    kept : array (n_entries,)
        Of the type of `values`.
    """
    last = at = 0
    for i in range(values.shape[0]):
        if values[i]:
            gap = i - last
            while gap >= 256:
                gaps[at], kept[at] = 255, 0
                at += 1
                gap -= 255
            gaps[at], kept[at] = gap, values[i]
            at += 1
            last = i
    gaps[at] = 0
