"""Runs and bit-packed groups (parquet-format, "RLE / Bit-Packing Hybrid"): definition levels and dictionary indices.

Buffers are padded: `PADDING` bytes behind `end` may be read, and mean nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.jit import kernel
from scalable.kernels.memory import load_u64
from scalable.kernels.parquet.bits import expand_bits

PADDING = 16
MOST_BITS = 32  # of an index


@kernel(inline=True)
def varint(buffer: np.ndarray, at: int, end: int) -> Any:
    """Return an unsigned LEB128 number as uint64, and the place after it; -1 where the bytes end before."""
    value = np.uint64(0)
    shift = np.uint64(0)
    while at < end and shift < np.uint64(64):
        byte = np.uint64(buffer[at])
        at += 1
        value |= (byte & np.uint64(127)) << shift
        if byte < np.uint64(128):
            return value, at
        shift += np.uint64(7)
    return value, -1


@kernel(inline=True)
def _packed(base: Any, bit: int, mask: Any) -> Any:
    """Return the packed value that begins at a bit behind an address."""
    word: Any = load_u64(base + np.uintp(bit >> 3))
    return word >> np.uint64(bit & 7) & mask


@kernel()
def decode_runs(
    buffer: np.ndarray, at: int, end: int, width: int, skip: int, n: int, out: np.ndarray
) -> bool:
    """Decode values of a sequence of runs.

    Parameters
    ----------
    buffer : array of uint8
        Bytes, at least ``end + PADDING`` of them.
    at, end : int
        Where the runs are.
    width : int
        Bits a value, 0 to `MOST_BITS`.
    skip, n : int
        Values to pass over, and to decode.
    out : array of shape (>= n,), uint8 or uint32
        Output.

    Returns
    -------
    bool
        False when the bytes end early or are no runs.
    """
    if width < 0 or width > MOST_BITS:
        return False
    base = np.uintp(buffer.ctypes.data)
    mask = np.uint64((1 << width) - 1)
    value_bytes = (width + 7) // 8
    done = -skip
    while done < n:
        head, at = varint(buffer, at, end)
        length: Any = np.int64(head >> np.uint64(1))
        if at < 0 or length <= 0:
            return False
        if head & np.uint64(1):
            if length > (end - at) // max(width, 1) and width > 0:
                return False
            count = min(8 * min(length, 2**40), n - done)
            here = base + np.uintp(at)
            first = max(0, -done)
            if width == 1:
                expand_bits(buffer, at, first, count, out[done + first : done + count])
            elif width == 8:
                for i in range(first, count):
                    out[done + i] = buffer[at + i]
            else:
                head = min(count, -(-first // 8) * 8)
                whole = max(head, count // 8 * 8)
                for i in range(first, head):
                    out[done + i] = _packed(here, i * width, mask)
                for k in range(
                    head, whole, 8
                ):  # eight values fill whole bytes: each lies as in the eight before
                    group, eight = here + np.uintp((k >> 3) * width), out[done + k : done + k + 8]
                    for j in range(8):
                        eight[j] = _packed(group, j * width, mask)
                for i in range(whole, count):
                    out[done + i] = _packed(here, i * width, mask)
            at += length * width
        else:
            if value_bytes > end - at:
                return False
            value = load_u64(base + np.uintp(at)) & np.uint64((1 << 8 * value_bytes) - 1)
            if value > mask:
                return False
            count = min(length, n - done)
            for i in range(max(0, -done), count):
                out[done + i] = value
            at += value_bytes
        done += count
    return True
