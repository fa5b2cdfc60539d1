"""A Python dict to the cells of a packed row, read where the interpreter keeps its values, and on to the answer.

The GIL is held throughout (``nogil=False``), and only the interpreter's own functions read values, but for three
things: an object's type, the fields of a datetime, and the bytes of a text, whose places
``inference.request.reader`` checks before anything is read there. References are borrowed from the dict for as long
as no Python code runs; what may run some (a column's own function) holds one of its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from scalable.kernels.encode.iso_time import BAD, datetime_micros, iso_micros
from scalable.kernels.encode.request import (
    ABSENT,
    CODE,
    INTEGER,
    NUMBER,
    SINGLE,
    TEXT,
    TIME,
    TRUTH,
    encode_tree_row,
    forest_request,
    linear_request_double,
    linear_request_single,
)
from scalable.kernels.jit import kernel
from scalable.kernels.memory import field, load_i64, load_u8, load_u64, store_u8, store_u32, store_u64

TYPE_AT = 8
"""Bytes from an object's beginning to the address of its type."""

READER = np.dtype(
    [
        ("columns", np.int64),
        ("program", np.int64),  # of the packed row, see ``request``
        ("cells_at", np.int64),
        ("tail_at", np.int64),
        ("tail_bytes", np.int64),
        ("none", np.int64),  # addresses of the interpreter's objects
        ("dict", np.int64),
        ("float", np.int64),
        ("int", np.int64),
        ("bool", np.int64),
        ("str", np.int64),
        ("datetime", np.int64),
        ("utc", np.int64),  # the two usual objects that are UTC
        ("zone_utc", np.int64),
        ("interrupt", np.int64),
    ]
)
READ = np.dtype(
    [
        ("name", np.int64),  # address of the text
        ("action", np.int64),  # as the program has it
        ("plain", np.int64),  # whether usual numbers are read here
        ("cell", np.int64),  # address of the function from a value to its cell
        ("codes", np.int64),  # address of the dict of categories
        ("tick", np.int64),  # nanoseconds a unit of a timestamp; 0 for other times
        ("zoned", np.int64),
    ]
)
_READER, _READ, _8 = np.uintp(READER.itemsize), np.uintp(READ.itemsize), np.uintp(8)
_NOTHING = np.uintp(0)

_object = types.uintp
_get_item = types.ExternalFunction("PyDict_GetItem", _object(_object, _object))
_call = types.ExternalFunction("PyObject_CallOneArg", _object(_object, _object))
_hold = types.ExternalFunction("Py_IncRef", types.void(_object))
_release = types.ExternalFunction("Py_DecRef", types.void(_object))
_float_of_float = types.ExternalFunction("PyFloat_AsDouble", types.float64(_object))
_float_of_int = types.ExternalFunction("PyLong_AsDouble", types.float64(_object))
_integer = types.ExternalFunction("PyLong_AsLongLong", types.int64(_object))
_text = types.ExternalFunction("PyUnicode_AsUTF8AndSize", _object(_object, _object))
_failed = types.ExternalFunction("PyErr_Occurred", _object())
_forgive = types.ExternalFunction("PyErr_Clear", types.void())
_is_error = types.ExternalFunction("PyErr_ExceptionMatches", types.int32(_object))
_interrupt = types.ExternalFunction("PyErr_SetInterrupt", types.void())


@kernel(inline=True)
def _clear(reader: Any) -> None:
    """Forget an error, which the careful way raises again; Ctrl-C is asked for anew."""
    stopped = _is_error(np.uintp(field(reader, READER, "interrupt"))) != 0
    _forgive()
    if stopped:
        _interrupt()


@kernel(inline=True)
def _made(reader: Any, read: Any, value: Any) -> Any:
    """Return what the column's own function makes of a value, a new reference; 0 where it refuses."""
    _hold(value)
    found = _call(np.uintp(field(read, READ, "cell")), value)
    _release(value)
    if found == _NOTHING:
        _clear(reader)
    return found


@kernel(inline=True)
def _whole(reader: Any, number: Any, cell: Any) -> Any:
    """Store a Python int of 64 bits; return whether it is one."""
    found = _integer(number)
    if found == -1 and _failed() != _NOTHING:
        _clear(reader)
        return False
    store_u64(cell, np.uint64(found))
    return True


@kernel(inline=True)
def _number(reader: Any, read: Any, value: Any, kind: Any, cell: Any) -> Any:
    """Store a double, or a float; return whether the value is one."""
    own = False
    if field(read, READ, "plain") and kind == np.uintp(field(reader, READER, "float")):
        found = _float_of_float(value)
    elif field(read, READ, "plain") and (
        kind == np.uintp(field(reader, READER, "int")) or kind == np.uintp(field(reader, READER, "bool"))
    ):
        found = _float_of_int(value)
        if abs(found) >= 2.0**63:  # the column may be of integers, which have 64 bits
            _clear(reader)
            return False
    elif value == np.uintp(field(reader, READER, "none")):
        found = np.nan
    else:
        own = True
        made = _made(reader, read, value)
        if made == _NOTHING:
            return False
        found = _float_of_float(made)
        _release(made)
    if found == -1.0 and _failed() != _NOTHING:
        _clear(reader)
        return False
    if field(read, READ, "plain") == TRUTH and not (found in (0.0, 1.0) or np.isnan(found)):
        return False
    if field(read, READ, "action") == NUMBER:
        store_u64(cell, np.float64(found).view(np.uint64))
        return True
    single = np.float32(found)
    store_u32(cell, single.view(np.uint32))
    return own or not np.isinf(single) or np.isinf(found)


@kernel(inline=True)
def _time(reader: Any, read: Any, value: Any, kind: Any, cell: Any) -> Any:
    """Store a count of units; return whether the value is one."""
    if value == np.uintp(field(reader, READER, "none")):
        store_u64(cell, np.uint64(ABSENT))
        return True
    tick, zoned = field(read, READ, "tick"), field(read, READ, "zoned") != 0
    if tick > 0 and kind == np.uintp(field(reader, READER, "int")):
        return _whole(reader, value, cell) and load_i64(cell) != ABSENT
    micros = BAD
    if tick > 0 and kind == np.uintp(field(reader, READER, "str")):
        text = _text(value, cell)
        if text == _NOTHING:
            _clear(reader)
            return False
        micros = iso_micros(text, load_i64(cell), zoned)
    elif tick > 0 and kind == np.uintp(field(reader, READER, "datetime")):
        utc, zone_utc = np.uintp(field(reader, READER, "utc")), np.uintp(field(reader, READER, "zone_utc"))
        micros = datetime_micros(value, zoned, utc, zone_utc)
    if micros != BAD:
        if tick >= 1000 and micros % (tick // 1000) == 0:
            store_u64(cell, np.uint64(micros // (tick // 1000)))
            return True
        if tick == 1 and abs(micros) < 2**53:
            store_u64(cell, np.uint64(micros * 1000))
            return True
    return _by_function(reader, read, value, cell)


@kernel(inline=True)
def _by_function(reader: Any, read: Any, value: Any, cell: Any) -> Any:
    """Store the integer that the column's own function makes of a value; return whether it makes one."""
    made = _made(reader, read, value)
    if made == _NOTHING:
        return False
    good = _whole(reader, made, cell)
    _release(made)
    return good


@kernel(inline=True)
def _code(reader: Any, read: Any, value: Any, kind: Any, cell: Any) -> Any:
    """Store the place of a category; return whether the value may be one."""
    usual = (
        kind == np.uintp(field(reader, READER, "str"))
        or kind == np.uintp(field(reader, READER, "int"))
        or kind == np.uintp(field(reader, READER, "float"))
        or value == np.uintp(field(reader, READER, "none"))
    )  # their comparison runs no Python code
    if usual:
        place = _get_item(np.uintp(field(read, READ, "codes")), value)
        if place != _NOTHING:
            return _whole(reader, place, cell)
    return _by_function(reader, read, value, cell)


@kernel(inline=True)
def _content(reader: Any, read: Any, value: Any, kind: Any, cell: Any, tail: Any, room: Any) -> Any:
    """Store how many bytes are hashed, and the bytes; return whether they are at hand."""
    if value == np.uintp(field(reader, READER, "none")):
        store_u64(cell, np.uint64(-1))
        return True
    if field(read, READ, "action") == INTEGER:
        if kind != np.uintp(field(reader, READER, "int")) or room < 8 or not _whole(reader, value, tail):
            return False
        store_u64(cell, np.uint64(8))
        return True
    if kind != np.uintp(field(reader, READER, "str")):
        return False
    text = _text(value, cell)
    if text == _NOTHING:
        _clear(reader)
        return False
    size = load_i64(cell)
    if size > room:
        return False
    for k in range(size):
        store_u8(tail + np.uintp(k), load_u8(text + np.uintp(k)))
    return True


@kernel(inline=True)
def _fill(reader: Any, row: Any, mapping: Any, absent: Any) -> Any:
    """Fill a packed row from a dict; return whether all its values are usual."""
    if load_u64(mapping + np.uintp(TYPE_AT)) != np.uint64(field(reader, READER, "dict")):
        return False
    read = reader + _READER
    cell = row + np.uintp(field(reader, READER, "cells_at"))
    tail, room = row + np.uintp(field(reader, READER, "tail_at")), field(reader, READER, "tail_bytes")
    for _ in range(field(reader, READER, "columns")):
        value = _get_item(mapping, np.uintp(field(read, READ, "name")))
        if value == _NOTHING:
            if not absent:
                return False
            value = np.uintp(field(reader, READER, "none"))
        kind, action = np.uintp(load_u64(value + np.uintp(TYPE_AT))), field(read, READ, "action")
        if action in (NUMBER, SINGLE):
            good = _number(reader, read, value, kind, cell)
        elif action == TIME:
            good = _time(reader, read, value, kind, cell)
        elif action == CODE:
            good = _code(reader, read, value, kind, cell)
        elif action in (TEXT, INTEGER):
            good = _content(reader, read, value, kind, cell, tail, room)
            if good and load_i64(cell) > 0:
                tail += np.uintp(load_i64(cell))
                room -= load_i64(cell)
        else:
            good = _by_function(reader, read, value, cell)
        if not good:
            return False
        read += _READ
        cell += _8
    return True


@kernel(nogil=False)
def encode_tree_dict(reader: Any, row: Any, mapping: Any, absent: Any) -> Any:
    """Write the matrix row that trees split to the beginning of the packed row; return whether it could be.

    Parameters
    ----------
    reader, row, mapping : int
        Addresses of a reader (`READER`, then its `READ`), of a packed row and of a dict.
    absent : int
        Whether a key that is absent is a missing value.

    Returns
    -------
    bool
        False where a value is unusual, for the careful way.
    """
    reader, row = np.uintp(reader), np.uintp(row)
    if not _fill(reader, row, np.uintp(mapping), absent):
        return False
    encode_tree_row(field(reader, READER, "program"), np.int64(row))
    return True


@kernel(nogil=False)
def forest_of_dict(reader: Any, row: Any, mapping: Any, absent: Any) -> Any:
    """Return a forest's prediction of a dict, NaN for the careful way; see `encode_tree_dict`."""
    reader, row = np.uintp(reader), np.uintp(row)
    if not _fill(reader, row, np.uintp(mapping), absent):
        return np.nan
    return forest_request(field(reader, READER, "program"), np.int64(row))


@kernel(nogil=False)
def linear_of_dict_single(reader: Any, row: Any, mapping: Any, absent: Any) -> Any:
    """Return ``linear_request_single`` of a dict, NaN for the careful way; see `encode_tree_dict`."""
    reader, row = np.uintp(reader), np.uintp(row)
    if not _fill(reader, row, np.uintp(mapping), absent):
        return np.nan
    return linear_request_single(field(reader, READER, "program"), np.int64(row))


@kernel(nogil=False)
def linear_of_dict_double(reader: Any, row: Any, mapping: Any, absent: Any) -> Any:
    """Return ``linear_request_double`` of a dict, NaN for the careful way; see `encode_tree_dict`."""
    reader, row = np.uintp(reader), np.uintp(row)
    if not _fill(reader, row, np.uintp(mapping), absent):
        return np.nan
    return linear_request_double(field(reader, READER, "program"), np.int64(row))
