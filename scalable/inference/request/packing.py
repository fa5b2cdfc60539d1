"""Packed rows, filled from dicts."""

from __future__ import annotations

import operator
import struct
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

import numpy as np

from scalable.errors import DataError, UsageError
from scalable.inference.request.layout import CELL_BYTES, Layout

TAIL_BYTES = 4096  # of what is hashed; a row of more has memory of its own
USUAL = frozenset({float, int, bool, str, datetime, date, time, timedelta})
MISSING_KEYS = ("refuse", "missing")


class PackedRow:
    """Memory of one row.

    Parameters
    ----------
    encoded_bytes, cell_bytes, tail_bytes : int
        Of its parts.
    """

    __slots__ = ("address", "memory", "view")

    def __init__(self, encoded_bytes: int, cell_bytes: int, tail_bytes: int) -> None:
        self.memory = np.zeros(encoded_bytes + cell_bytes + tail_bytes + CELL_BYTES, np.uint8)
        self.view = self.memory.data
        self.address = self.memory.ctypes.data

    def part(self, at: int, count: int, dtype: Any) -> np.ndarray:
        """Return `count` numbers from byte `at` on, as a view."""
        return self.memory[at : at + count * np.dtype(dtype).itemsize].view(dtype)


def row_packer(
    layout: Layout, encoded_bytes: int
) -> Callable[[Mapping[str, Any], PackedRow, str], PackedRow]:
    """Return ``pack(row, into, missing_keys)``, which fills `into`, or a larger row, and returns it.

    Usual values are taken by ``struct`` and by one function a column; where one is of another type, missing, or too
    large, all go the careful way, column by column.
    """
    names, cells, hashed = layout.names, layout.cells, layout.hashed
    cell_bytes = CELL_BYTES * len(names)
    pack_into = struct.Struct("=" + "".join(layout.formats)).pack_into
    tail_at = encoded_bytes + cell_bytes
    special = [(k, cell) for k, cell in enumerate(cells) if not layout.plain[k]]
    pick: Callable[[Any], tuple[Any, ...]]
    if len(names) > 1:
        pick = operator.itemgetter(*names)
    else:

        def pick(row: Any) -> tuple[Any, ...]:
            return tuple(row[name] for name in names)

    usual = USUAL.issuperset

    def careful(row: Mapping[str, Any], missing_keys: str) -> list[Any]:
        if missing_keys not in MISSING_KEYS:
            raise UsageError(f"missing_keys should be {' or '.join(MISSING_KEYS)}, found {missing_keys!r}")
        values = []
        for name, cell in zip(names, cells, strict=True):
            if name not in row and missing_keys == "refuse":
                raise DataError(
                    f"the row has no {name!r}, which the model was trained on; give None if unknown, or "
                    "missing_keys='missing'"
                )
            value = row.get(name)
            try:
                values.append(cell(value))
            except (TypeError, ValueError, OverflowError) as error:
                if isinstance(error, DataError):
                    raise
                raise DataError(
                    f"column {name!r} is {value!r:.60} ({type(value).__name__}) here; give data of the training schema"
                ) from error
        return values

    def pack(row: Mapping[str, Any], into: PackedRow, missing_keys: str = "refuse") -> PackedRow:
        try:
            values = list(pick(row))
            if not usual(map(type, values)):
                raise TypeError
            for k, cell in special:
                values[k] = cell(values[k])
        except (KeyError, TypeError, OverflowError):
            values = careful(row, missing_keys)
        if hashed:
            into = add_tail(values, into)
        try:
            pack_into(into.view, encoded_bytes, *values)
        except (struct.error, OverflowError, TypeError):
            values = careful(row, missing_keys)
            if hashed:
                into = add_tail(values, into)
            pack_into(into.view, encoded_bytes, *values)
        return into

    def add_tail(values: list[Any], into: PackedRow) -> PackedRow:
        parts = []
        for k in hashed:
            content = values[k]
            if content is None:
                values[k] = -1
            else:
                values[k] = len(content)
                parts.append(content)
        tail = b"".join(parts)
        if len(tail) > TAIL_BYTES:
            into = PackedRow(encoded_bytes, cell_bytes, len(tail))
        into.view[tail_at : tail_at + len(tail)] = tail
        return into

    return pack
