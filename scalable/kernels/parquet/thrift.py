"""Thrift's compact protocol, as far as Parquet's footers and page headers use it."""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.jit import kernel

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET = range(1, 11)
STRUCT = 12  # 11 is a map, which Parquet has none of
DAMAGED = -1


@kernel(inline=True)
def varint(buffer: np.ndarray, at: int) -> Any:
    """Return an unsigned number and the place after it; the place is -1 where the buffer ends."""
    value: Any = 0
    shift = 0
    while at < buffer.size and shift < 64:
        byte = np.int64(buffer[at])
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    return 0, DAMAGED


@kernel(inline=True)
def signed(raw: int) -> int:
    """Return the signed number that an unsigned one stands for (zigzag)."""
    return (raw >> 1 & 0x7FFFFFFFFFFFFFFF) ^ -(raw & 1)


@kernel(inline=True)
def field_of(buffer: np.ndarray, at: int, before: int) -> Any:
    """Read the head of a field, which is not the end of a structure.

    Parameters
    ----------
    buffer : array of uint8
        Bytes.
    at : int
        Where the head is.
    before : int
        Number of the field before it.

    Returns
    -------
    kind, field, at : int
        Type of the value, number of the field, and the place after the head; -1 where the buffer ends.
    """
    head = np.int64(buffer[at])
    at += 1
    if head >> 4:
        return head & 15, before + (head >> 4), at
    raw, at = varint(buffer, at)
    return head & 15, signed(raw), at


@kernel(inline=True)
def skip_binary(buffer: np.ndarray, at: int) -> tuple[int, int]:
    """Return where bytes with their number in front begin, and the place after them; -1 where the buffer ends."""
    length, at = varint(buffer, at)
    # a length that overflowed is negative and would lead back: forward only
    if at < 0 or length < 0 or length > buffer.size - at:
        return DAMAGED, DAMAGED
    return at, at + length
