"""Packed rows, filled from dicts."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from scalable.errors import DataError, UsageError
from scalable.inference.request.layout import CELL_BYTES, Layout

TAIL_BYTES = 4096  # of what is hashed; a row of more has memory of its own
MISSING_KEYS = ("refuse", "missing")
ADVICE = "give None if unknown, or missing_keys='missing'"  # which a server's clients cannot follow


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


def check_missing_keys(missing_keys: str) -> None:
    """Refuse what is no answer to what an absent key means."""
    if missing_keys not in MISSING_KEYS:
        raise UsageError(f"missing_keys should be {' or '.join(MISSING_KEYS)}, found {missing_keys!r}")


def absent_key(name: str, missing_keys: str) -> None:
    """Refuse a row that lacks a column, unless that is to mean a missing value."""
    check_missing_keys(missing_keys)
    if missing_keys == "refuse":
        raise DataError(f"the row has no {name!r}, which the model was trained on; {ADVICE}")


def row_packer(
    layout: Layout, encoded_bytes: int
) -> Callable[[Mapping[str, Any], PackedRow, str], PackedRow]:
    """Return ``pack(row, into, missing_keys)``, which fills `into`, or a larger row, and returns it.

    The careful way, which takes every value that a column may have and says what is wrong with others.
    """
    names, cells, hashed = layout.names, layout.cells, layout.hashed
    cell_bytes = CELL_BYTES * len(names)
    pack_into = struct.Struct("=" + "".join(layout.formats)).pack_into
    tail_at = encoded_bytes + cell_bytes

    def pack(row: Mapping[str, Any], into: PackedRow, missing_keys: str) -> PackedRow:
        values = []
        for name, cell in zip(names, cells, strict=True):
            if name not in row:
                absent_key(name, missing_keys)
            value = row.get(name)
            try:
                values.append(cell(value))
            except (TypeError, ValueError, OverflowError) as error:
                if isinstance(error, DataError):
                    raise
                raise DataError(
                    f"column {name!r} is {value!r:.60} ({type(value).__name__}) here; give data of the training schema"
                ) from error
        contents = [values[k] for k in hashed]
        for k, content in zip(hashed, contents, strict=True):
            values[k] = -1 if content is None else len(content)
        tail = b"".join(content for content in contents if content is not None)
        if len(tail) > TAIL_BYTES:
            into = PackedRow(encoded_bytes, cell_bytes, len(tail))
        into.view[tail_at : tail_at + len(tail)] = tail
        pack_into(into.view, encoded_bytes, *values)
        return into

    return pack
