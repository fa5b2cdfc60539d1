"""Universal Binary JSON (https://ubjson.org, draft 12), as XGBoost writes it, to the values that ``json`` would give.

Arrays of one number type become NumPy arrays. No size in the data is trusted.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

_NUMBERS = {b"i": "b", b"U": "B", b"I": ">h", b"l": ">i", b"L": ">q", b"d": ">f", b"D": ">d"}
_LENGTHS = (b"i", b"U", b"I", b"l", b"L")
_CONSTANTS = {b"Z": None, b"T": True, b"F": False}
_MAX_DEPTH = 64


def parse(data: bytes) -> Any:
    """Return the value of a whole document.

    Raises
    ------
    ValueError
        It is truncated, nested too deeply, or not UBJSON.
    """
    reader = _Reader(data)
    value = reader.value(reader.marker(), 0)
    if reader.at != len(data):
        raise ValueError(f"{len(data) - reader.at} bytes after the end of the document")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        """Return the next bytes."""
        if not 0 <= size <= len(self.data) - self.at:
            raise ValueError(f"it ends at byte {len(self.data)} in the middle of a value")
        self.at += size
        return self.data[self.at - size : self.at]

    def marker(self) -> bytes:
        """Return the type of what comes next; "N" stands for nothing."""
        found = self.take(1)
        while found == b"N":
            found = self.take(1)
        return found

    def length(self) -> int:
        """Return a length."""
        kind = self.marker()
        if kind not in _LENGTHS:
            raise ValueError(f"a length of type {kind!r} at byte {self.at}")
        return int(self.number(kind))

    def number(self, kind: bytes) -> Any:
        """Return one number."""
        code = _NUMBERS[kind]
        return struct.unpack(code, self.take(struct.calcsize(code)))[0]

    def text(self) -> str:
        """Return a text without its marker."""
        return self.take(self.length()).decode()

    def value(self, kind: bytes, depth: int) -> Any:
        """Return the value whose marker was read."""
        if depth > _MAX_DEPTH:
            raise ValueError(f"nested deeper than {_MAX_DEPTH}")
        if kind in _NUMBERS:
            return self.number(kind)
        if kind in _CONSTANTS:
            return _CONSTANTS[kind]
        if kind == b"S":
            return self.text()
        if kind == b"C":
            return self.take(1).decode("latin-1")
        if kind == b"H":
            return float(self.text())
        if kind == b"[":
            return self.array(depth)
        if kind == b"{":
            return self.object(depth)
        raise ValueError(f"unknown type {kind!r} at byte {self.at}")

    def sized(self) -> tuple[bytes | None, int | None]:
        """Return the one type of what a container holds and how much, where it says so."""
        kind = None
        if self.data[self.at : self.at + 1] == b"$":
            self.at += 1
            kind = self.take(1)
        if self.data[self.at : self.at + 1] == b"#":
            self.at += 1
            return kind, self.length()
        if kind is not None:
            raise ValueError(f"a type without a count at byte {self.at}")
        return None, None

    def array(self, depth: int) -> Any:
        """Return a list, or an array where all are numbers of one type."""
        kind, count = self.sized()
        if kind in _NUMBERS and count is not None:
            dtype = np.dtype(_NUMBERS[kind])
            return np.frombuffer(self.take(count * dtype.itemsize), dtype).astype(dtype.newbyteorder("="))
        found: list[Any] = []
        if count is not None:
            if count > len(self.data) or kind in _CONSTANTS:  # which take no byte each
                raise ValueError(f"{count} values at byte {self.at} of {len(self.data)}")
            return [self.value(kind or self.marker(), depth + 1) for _ in range(count)]
        while (mark := self.marker()) != b"]":
            found.append(self.value(mark, depth + 1))
        return found

    def object(self, depth: int) -> dict[str, Any]:
        """Return a mapping."""
        kind, count = self.sized()
        found: dict[str, Any] = {}
        while count is None or len(found) < count:
            if count is None and self.data[self.at : self.at + 1] == b"}":
                self.at += 1
                break
            name = self.text()
            found[name] = self.value(kind or self.marker(), depth + 1)
        return found
