"""One packed row to what a model computes with, and on to its answer, in one call.

A packed row is one block of memory: the encoded values (outputs), the cells, one of 8 bytes a raw column, and behind
them the bytes of what is hashed, column after column. The same kernels that encode blocks encode its columns, as
blocks of one row, so that the bits are the same.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import carray

from scalable.kernels.encode.encoding import (
    calendar,
    encode_floats,
    integer_hash,
    log_standardize,
    mark_missing,
    standardize,
    text_hash,
)
from scalable.kernels.forest.row import row_score
from scalable.kernels.jit import kernel
from scalable.kernels.linear.sgd import predict
from scalable.kernels.memory import as_pointer, field, load_f32, load_f64, load_i64, store_u64

NUMBER, SINGLE, TIME, CODE, TEXT, INTEGER, BUCKET, PAIR = range(8)
"""Cells: a double, a float, an int64 of units, the place of a category, how many bytes to hash as text or as an
integer, a bucket; a pair has none of its own."""
ABSENT = -(2**63)  # a time that is missing
LOGISTIC = 1
TRUTH = 2  # of `plain` numbers: 0, 1 or NaN, as of a column of booleans

HEADER = np.dtype(
    [
        ("columns", np.int64),
        ("rows", np.int64),  # 1: a constant would let LLVM compute one row otherwise than the many of a block
        ("cells_at", np.int64),  # bytes from the row's beginning
        ("tail_at", np.int64),
        ("ids_at", np.int64),
        ("scores_at", np.int64),
        ("width", np.int64),  # dense columns
        ("ids", np.int64),
        ("outputs", np.int64),
        ("coefficients", np.int64),  # of each output
        ("model", np.int64),  # address of the coefficients, or of the frozen forest
        ("link", np.int64),
    ]
)
COLUMN = np.dtype(
    [
        ("action", np.int64),
        ("cell", np.int64),  # bytes from the cells' beginning
        ("other", np.int64),  # of a pair's second column
        ("to", np.int64),  # first encoded column
        ("id", np.int64),  # first place among the feature indices; -1 without
        ("base", np.int64),  # first feature index
        ("count", np.int64),  # categories or buckets
        ("second", np.int64),  # categories of a pair's second column
        ("salt", np.uint64),
        ("missing", np.int64),  # feature index of a missing value that is hashed
        ("table", np.int64),  # address of the means
        ("width", np.int64),  # of the table
        ("single", np.int64),  # whether the table is float32
        ("taken", np.int64),  # columns of the table that are taken
        ("indicator", np.int64),
        ("forbidden", np.int64),  # whether missing values are refused
        ("day", np.int64),  # units a day
        ("hour", np.int64),  # first feature index of the hours, -1 without
        ("weekday", np.int64),
        ("offset", np.float64),
        ("scale", np.float64),
        ("unit", np.float64),  # of the logarithm, 0 without
        ("fill", np.float64),
        ("rate", np.float64),
    ]
)
_HEADER, _COLUMN, _8 = np.uintp(HEADER.itemsize), np.uintp(COLUMN.itemsize), np.uintp(8)


@kernel(inline=True)
def _at(program: Any, row: Any, column: Any) -> Any:
    """Return the address of a column's cell."""
    return row + np.uintp(field(program, HEADER, "cells_at")) + np.uintp(field(column, COLUMN, "cell"))


@kernel(inline=True)
def _bucket(column: Any, action: Any, size: Any, tail: Any) -> Any:
    """Return the bucket of the `size` bytes at `tail`, of text or of an integer."""
    salt, mask = field(column, COLUMN, "salt"), np.uint64(field(column, COLUMN, "count") - 1)
    if action == INTEGER:
        return np.int64(integer_hash(load_i64(tail), salt) & mask)
    return np.int64(text_hash(carray(as_pointer(tail), (size,), np.uint8), 0, size, salt) & mask)


@kernel(inline=True)
def _pair(program: Any, row: Any, column: Any) -> Any:
    """Return the place of two categories among all pairs."""
    cells = row + np.uintp(field(program, HEADER, "cells_at"))
    first = load_i64(cells + np.uintp(field(column, COLUMN, "cell")))
    second = load_i64(cells + np.uintp(field(column, COLUMN, "other")))
    n_first, n_second = field(column, COLUMN, "count"), field(column, COLUMN, "second")
    return min(first, n_first) * (n_second + 1) + min(second, n_second)


@kernel(inline=True)
def _take(column: Any, place: Any, x: Any) -> None:
    """Copy means from row `place` of a table."""
    to, wide = field(column, COLUMN, "to"), np.uintp(field(column, COLUMN, "width"))
    single = field(column, COLUMN, "single")
    size = np.uintp(4) if single else _8
    at = np.uintp(field(column, COLUMN, "table")) + np.uintp(place) * wide * size
    for k in range(field(column, COLUMN, "taken")):
        x[to + k] = load_f32(at + np.uintp(k) * size) if single else load_f64(at + np.uintp(k) * size)


@kernel(inline=True)
def _encode_tree_row(program: Any, row: Any, x: Any) -> None:
    """Write the matrix row that trees split."""
    column = program + _HEADER
    tail = row + np.uintp(field(program, HEADER, "tail_at"))
    for _ in range(field(program, HEADER, "columns")):
        action, to = field(column, COLUMN, "action"), field(column, COLUMN, "to")
        cell = _at(program, row, column)
        if action == NUMBER:
            x[to] = load_f64(cell)
        elif action == SINGLE:
            x[to] = load_f32(cell)
        elif action == TIME:
            ticks = load_i64(cell)
            x[to] = np.nan if ticks == ABSENT else np.float64(ticks)
        elif action == CODE:
            code = load_i64(cell)
            x[to] = np.nan if code >= field(column, COLUMN, "count") else np.float64(code)
        elif action == PAIR:
            _take(column, _pair(program, row, column), x)
        else:
            place = load_i64(cell)
            if action != BUCKET and place >= 0:
                size = place
                place = _bucket(column, action, size, tail)
                tail += np.uintp(size)
            _take(column, field(column, COLUMN, "count") if place < 0 else place, x)
        column += _COLUMN


@kernel(nogil=False)
def encode_tree_row(program: Any, row: Any) -> None:
    """Write the matrix row that trees split to the beginning of the packed row.

    Parameters
    ----------
    program, row : int
        Addresses of a program (`HEADER`, then its `COLUMN`) and of a packed row.
    """
    program, row = np.uintp(program), np.uintp(row)
    x = carray(as_pointer(row), (field(program, HEADER, "width"),), np.float64)
    _encode_tree_row(program, row, x)


@kernel(nogil=False)
def forest_request(program: Any, row: Any) -> Any:
    """Return the prediction of a packed row by a frozen forest of one output; see `encode_tree_row`."""
    program, row = np.uintp(program), np.uintp(row)
    x = carray(as_pointer(row), (field(program, HEADER, "width"),), np.float64)
    _encode_tree_row(program, row, x)
    return row_score(field(program, HEADER, "model"), x, False)


@kernel(inline=True)
def _standardized(column: Any, values: Any, out: Any) -> Any:
    """Standardise one value as a block of its kind is; return whether it is infinite or missing."""
    unit, offset = field(column, COLUMN, "unit"), field(column, COLUMN, "offset")
    scale = field(column, COLUMN, "scale")
    if values.itemsize == out.itemsize == 4:
        return encode_floats(values, unit, offset, scale, out)
    if unit > 0.0:
        return log_standardize(values, unit, offset, scale, out)
    return standardize(values, offset, scale, out)


@kernel(inline=True)
def _encode_linear_row(program: Any, row: Any, columns: Any, ids: Any) -> Any:
    """Write columns and indices; return 0, or 2 k + 1 (+ 1) for an infinite (missing) value in column k."""
    column = program + _HEADER
    tail = row + np.uintp(field(program, HEADER, "tail_at"))
    one = field(program, HEADER, "rows")
    for k in range(field(program, HEADER, "columns")):
        action, at = field(column, COLUMN, "action"), field(column, COLUMN, "id")
        base, cell = field(column, COLUMN, "base"), _at(program, row, column)
        if action == CODE:
            ids[at, 0] = base + load_i64(cell)
        elif action in (TEXT, INTEGER):
            size = load_i64(cell)
            ids[at, 0] = field(column, COLUMN, "missing")
            if size >= 0:
                ids[at, 0] = base + _bucket(column, action, size, tail)
                tail += np.uintp(size)
        else:
            to = field(column, COLUMN, "to")
            out = columns[to]
            if action == SINGLE:
                bad = _standardized(column, carray(as_pointer(cell), (one,), np.float32), out)
            elif action == TIME and load_i64(cell) == ABSENT:
                out[0], bad = np.nan, 1
            elif action == TIME:
                bad = _standardized(column, carray(as_pointer(cell), (one,), np.int64), out)
            else:
                bad = _standardized(column, carray(as_pointer(cell), (one,), np.float64), out)
            indicator = columns[to + 1] if field(column, COLUMN, "indicator") else out[:0]
            rate = field(column, COLUMN, "rate")
            missing = mark_missing(out, field(column, COLUMN, "fill"), indicator, -rate, 1.0 - rate)
            if missing < bad:
                return 2 * k + 1
            if missing and field(column, COLUMN, "forbidden"):
                return 2 * k + 2
            if at >= 0:
                hour, weekday = field(column, COLUMN, "hour"), field(column, COLUMN, "weekday")
                if missing:
                    if hour >= 0:
                        ids[at, 0] = hour + 24
                        at += 1
                    if weekday >= 0:
                        ids[at, 0] = weekday + 7
                else:
                    ticks = carray(as_pointer(cell), (one,), np.int64)
                    calendar(ticks, field(column, COLUMN, "day"), hour, weekday, ids[at : at + 2])
        column += _COLUMN
    return 0


@kernel(inline=True)
def _linear_request(program: Any, row: Any, columns: Any, coef: Any, scores: Any) -> Any:
    ids = carray(
        as_pointer(row + np.uintp(field(program, HEADER, "ids_at"))),
        (field(program, HEADER, "ids"), field(program, HEADER, "rows")),
        np.int32,
    )
    trouble = _encode_linear_row(program, row, columns, ids)
    if trouble:
        store_u64(row + np.uintp(field(program, HEADER, "scores_at")), np.uint64(trouble))
        raise ValueError("infinite or missing")
    predict(columns, ids, coef, scores)
    score = np.float64(scores[0, 0])
    if field(program, HEADER, "link") == LOGISTIC:
        return 1.0 / (1.0 + math.exp(-score))
    return score


@kernel(nogil=False)
def linear_request_single(program: Any, row: Any) -> Any:
    """Return the prediction of a packed row by a linear model of float32 columns; scores stay in the row.

    Parameters
    ----------
    program, row : int
        Addresses of a program (`HEADER`, then its `COLUMN`) and of a packed row.

    Raises
    ------
    ValueError
        On an infinite value, or a missing one where these are refused; the row's scores say which.
    """
    program, row = np.uintp(program), np.uintp(row)
    n, k, one = (
        field(program, HEADER, "width"),
        field(program, HEADER, "outputs"),
        field(program, HEADER, "rows"),
    )
    m, model = field(program, HEADER, "coefficients"), np.uintp(field(program, HEADER, "model"))
    columns = carray(as_pointer(row), (n, one), np.float32)
    scores = carray(as_pointer(row + np.uintp(field(program, HEADER, "scores_at"))), (k, one), np.float32)
    return _linear_request(program, row, columns, carray(as_pointer(model), (k, m), np.float32), scores)


@kernel(nogil=False)
def linear_request_double(program: Any, row: Any) -> Any:
    """Do `linear_request_single` for float64 columns."""
    program, row = np.uintp(program), np.uintp(row)
    n, k, one = (
        field(program, HEADER, "width"),
        field(program, HEADER, "outputs"),
        field(program, HEADER, "rows"),
    )
    m, model = field(program, HEADER, "coefficients"), np.uintp(field(program, HEADER, "model"))
    columns = carray(as_pointer(row), (n, one), np.float64)
    scores = carray(as_pointer(row + np.uintp(field(program, HEADER, "scores_at"))), (k, one), np.float64)
    return _linear_request(program, row, columns, carray(as_pointer(model), (k, m), np.float64), scores)
