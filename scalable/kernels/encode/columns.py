"""All numbers and known categories of a block encoded in one native call.

A call a column would give away the interpreter's lock, and wait for it again, some dozens of times a block: with two
threads at work, a tenth of their time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from scalable.kernels.copying import copy_values
from scalable.kernels.encode.encoding import encode_floats, log_standardize, mark_missing, standardize
from scalable.kernels.jit import kernel
from scalable.kernels.memory import as_pointer
from scalable.kernels.parquet.bits import expand_bits
from scalable.kernels.parquet.missing import fill_missing

# Places in the description of a column of numbers, then of one of categories, which both begin alike.
ADDRESS, VALID, FIRST, KIND, TO, INDICATOR, BAD, MISSING = range(8)
NUMBER_FIELDS = 8
TABLE, SIZE = 3, 5
CATEGORY_FIELDS = 6
INT8, INT16, INT32, INT64, BITS, FLOAT32, FLOAT64 = range(7)
UNIT, OFFSET, SCALE, FILL, RATE = range(5)
_CHUNK = 4096


@kernel(inline=True)
def _bits(address: int, n: int) -> Any:
    """Return the bytes of so many bits at an address."""
    return carray(as_pointer(np.uintp(address)), ((n + 7) // 8,), np.uint8)


@kernel()
def widen_whole(kind: int, address: int, out: np.ndarray) -> None:
    """Write integers of either sign as numbers of 64 bits."""
    n, at = out.size, as_pointer(np.uintp(address))
    if kind == INT8:
        copy_values(carray(at, (n,), np.int8), out)
    elif kind == INT16:
        copy_values(carray(at, (n,), np.int16), out)
    elif kind == INT32:
        copy_values(carray(at, (n,), np.int32), out)
    else:
        copy_values(carray(at, (n,), np.int64), out)


@kernel()
def widen(kind: int, address: int, first: int, out: np.ndarray) -> None:
    """Write values as float64; of bits, from bit `first` on."""
    n, at = out.size, as_pointer(np.uintp(address))
    if kind < BITS:
        widen_whole(kind, address, out)
    elif kind == BITS:
        bits = np.empty(n, np.uint8)
        expand_bits(_bits(address, first + n), 0, first, first + n, bits)
        copy_values(bits, out)
    elif kind == FLOAT32:
        copy_values(carray(at, (n,), np.float32), out)
    else:
        copy_values(carray(at, (n,), np.float64), out)


@kernel()
def _looked_up(values: np.ndarray, scales: np.ndarray, out: np.ndarray) -> bool:
    """Encode integers by a table of the logarithms that can occur; False where that is no good."""
    low, high = np.inf, -np.inf
    for i in range(values.size):
        low, high = min(low, values[i]), max(high, values[i])
    if not 0.0 <= high - low < values.size // 4:
        return False
    every = np.empty(np.int64(high - low) + 1)
    for i in range(every.size):
        every[i] = low + i
    table = np.empty(every.size, out.dtype)
    if log_standardize(every, scales[UNIT], scales[OFFSET], scales[SCALE], table):
        return False
    for i in range(values.size):
        out[i] = table[np.int64(values[i] - low)]
    return True


@kernel()
def _encode_number(
    column: np.ndarray, scales: np.ndarray, wide: np.ndarray, out: np.ndarray, marks: np.ndarray
) -> None:
    """Encode a column by way of float64."""
    n, kind, unit, rate = out.size, column[KIND], scales[UNIT], scales[RATE]
    widen(kind, column[ADDRESS], column[FIRST], wide)
    if column[VALID]:
        fill_missing(wide, _bits(column[VALID], column[FIRST] + n), column[FIRST], np.nan, wide)
    bad = 0
    if unit > 0.0:
        whole = kind < FLOAT32 and not column[VALID]
        if not whole or not _looked_up(wide, scales, out):
            bad = log_standardize(wide, unit, scales[OFFSET], scales[SCALE], out)
    else:
        bad = standardize(wide, scales[OFFSET], scales[SCALE], out)
    if bad or marks.size:
        column[BAD] = bad
        column[MISSING] = mark_missing(out, scales[FILL], marks, -rate, 1.0 - rate)


@kernel()
def _encode_categories(column: np.ndarray, n: int, present: np.ndarray, out: np.ndarray) -> None:
    codes = carray(as_pointer(np.uintp(column[ADDRESS])), (n,), np.int32)
    table = carray(as_pointer(np.uintp(column[TABLE])), (column[SIZE] + 1,), np.int32)
    if not column[VALID]:
        for i in range(n):
            out[i] = table[np.uint32(codes[i])]
        return
    valid = _bits(column[VALID], column[FIRST] + n)
    null = np.uint32(column[SIZE])
    for start in range(0, n, _CHUNK):
        some, to = codes[start : start + _CHUNK], out[start : start + _CHUNK]
        bit = column[FIRST] + start
        expand_bits(valid, bit >> 3, bit & 7, (bit & 7) + some.size, present)
        for i in range(some.size):
            to[i] = table[np.uint32(some[i]) if present[i] else null]


@kernel()
def encode_columns(
    numbers: np.ndarray,
    scales: np.ndarray,
    categories: np.ndarray,
    single: int | None,
    columns: np.ndarray,
    ids: np.ndarray,
) -> None:
    """Encode the columns of a block.

    Parameters
    ----------
    numbers : int64 array of shape (n_numbers, 8)
        Address of the first value (of bits: of the first byte); address of the validity bitmap, or 0; bit of the
        first value; one of the kinds; row of `columns`; 1 where the row after it says what is missing. Output: how
        many results were NaN or infinite, and how many of these were NaN.
    scales : float64 array of shape (n_numbers, 5)
        Unit of the logarithm, or 0; offset and scale, see `scalable.kernels.encode.encoding.standardize`; what
        missing values become; their share in training.
    categories : int64 array of shape (n_categories, 6)
        Address of the int32 place of each value in a dictionary; validity and first bit as above; address of the
        int32 feature index of each entry, then of nulls; row of `ids`; entries of the dictionary.
    single : int or None
        None where `columns` are float64; else float32 columns are encoded in the precision that suffices.
    columns : array of shape (n_columns, n_rows), float32 or float64
        Output.
    ids : int32 array of shape (n_ids, n_rows)
        Output.
    """
    n = columns.shape[1]
    wide = np.empty(n)
    for k in range(numbers.shape[0]):
        column, how = numbers[k], scales[k]
        out = columns[column[TO]]
        marks = columns[column[TO] + column[INDICATOR]][: n * column[INDICATOR]]
        if single is not None:  # noqa: SIM102 - a branch on None alone is decided before it is compiled
            if column[KIND] == FLOAT32:
                _encode_singles(column, how, out, marks)
                continue
        _encode_number(column, how, wide, out, marks)
    present = np.empty(_CHUNK, np.uint8)
    for k in range(categories.shape[0]):
        _encode_categories(categories[k], n, present, ids[categories[k, TO]])


@kernel()
def _encode_singles(column: np.ndarray, scales: np.ndarray, out: np.ndarray, marks: np.ndarray) -> None:
    """Encode float32 values, all at once: whether single precision suffices is decided by the block."""
    n = out.size
    x = carray(as_pointer(np.uintp(column[ADDRESS])), (n,), np.float32)
    if column[VALID]:
        filled = np.empty(n, np.float32)
        fill_missing(x, _bits(column[VALID], column[FIRST] + n), column[FIRST], np.nan, filled)
        x = filled
    bad: Any = encode_floats(x, scales[UNIT], scales[OFFSET], scales[SCALE], out)
    if bad or marks.size:
        column[BAD] = bad
        column[MISSING] = mark_missing(out, scales[FILL], marks, -scales[RATE], 1.0 - scales[RATE])
