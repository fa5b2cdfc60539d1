"""What the kernels need to read a dict themselves: addresses of the interpreter's objects, names and functions."""

from __future__ import annotations

import ctypes
import sys
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pyarrow.types as pt
from numpy.typing import NDArray

from scalable.inference.request.layout import CELL_BYTES, Layout
from scalable.inference.request.packing import TAIL_BYTES
from scalable.inference.request.times import nanoseconds_a_tick
from scalable.kernels.encode import iso_time, python_row


@cache
def readable() -> bool:
    """Return whether objects are laid out as the kernels take them to be: by CPython, with a GIL."""
    if sys.implementation.name != "cpython" or not getattr(sys, "_is_gil_enabled", lambda: True)():
        return False
    kinds: tuple[object, ...] = ({}, 0.5, 3, True, "a", None)
    if any(_word(id(one) + python_row.TYPE_AT) != id(type(one)) for one in kinds):
        return False
    zone = timezone(timedelta(hours=3))
    for value in (datetime(2026, 11, 29, 12, 34, 56, 123_456), datetime(1, 2, 3, 4, 5, 6, 7, zone)):
        at, zoned = id(value), value.tzinfo is not None
        date = [
            *value.year.to_bytes(2, "big"),
            value.month,
            value.day,
            value.hour,
            value.minute,
            value.second,
        ]
        expected = bytes([zoned, *date, *value.microsecond.to_bytes(3, "big")])
        places = python_row.TYPE_AT, iso_time.FIELDS_AT - iso_time.ZONED_AT
        if places != (8, 1) or ctypes.string_at(at + iso_time.ZONED_AT, len(expected)) != expected:
            return False
        if zoned and _word(at + iso_time.ZONE_AT) != id(zone):
            return False
    return True


def _word(address: int) -> int:
    return ctypes.c_uint64.from_address(address).value


@cache
def _zone_utc() -> object:
    try:
        return ZoneInfo("UTC")
    except (
        ZoneInfoNotFoundError,
        OSError,
        ValueError,
    ):  # no data of zones on this machine; then nobody else has this zone either
        return UTC


def dict_reader(layout: Layout, program: NDArray[np.uint8], encoded_bytes: int) -> NDArray[np.uint8]:
    """Return the reader of a layout, see ``python_row.READER``; it is to be kept with `layout` and `program`."""
    head = np.zeros(1, python_row.READER)
    cells_at = encoded_bytes
    for name, found in {
        "columns": len(layout.names), "program": program.ctypes.data, "cells_at": cells_at,
        "tail_at": cells_at + CELL_BYTES * len(layout.names), "tail_bytes": TAIL_BYTES, "none": id(None),
        "dict": id(dict), "float": id(float), "int": id(int), "bool": id(bool), "str": id(str),
        "datetime": id(datetime), "utc": id(UTC), "zone_utc": id(_zone_utc()), "interrupt": id(KeyboardInterrupt),
    }.items():  # fmt: skip
        head[name] = found
    actions = {
        column["cell"]: column["action"] for column in reversed(layout.columns) if "other" not in column
    }
    reads = np.zeros(len(layout.names), python_row.READ)
    for k, (name, cell) in enumerate(zip(layout.names, layout.cells, strict=True)):
        kind, read = layout.types[k], reads[k]
        read["name"], read["cell"] = id(name), id(cell)
        read["action"], read["plain"] = actions[CELL_BYTES * k], layout.plain[k]
        codes = getattr(cell, "__self__", None)
        read["codes"] = id(codes) if isinstance(codes, dict) else 0
        if pt.is_timestamp(kind):
            read["tick"], read["zoned"] = nanoseconds_a_tick(kind), kind.tz is not None
    return np.concatenate([head.view(np.uint8), reads.view(np.uint8)])
