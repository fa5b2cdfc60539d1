"""Integers kept as bit-packed differences (parquet-format, ``DELTA_BINARY_PACKED``; Lemire & Boytsov, 2015)."""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.jit import kernel
from scalable.kernels.memory import load_u64
from scalable.kernels.parquet.runs import varint

_NEAR = 56  # bits that one load of eight bytes holds wherever they begin
_ONE = np.uint64(1)


@kernel(inline=True)
def _zigzag(raw: Any) -> Any:
    return (raw >> _ONE) ^ (~(raw & _ONE) + _ONE)


@kernel(inline=True)
def _unpack(base: Any, width: int, least: Any, out: np.ndarray) -> None:
    """Write ``least`` plus each of `out.size` packed values; sums wrap as the writer's did."""
    mask = ~np.uint64(0) >> np.uint64(64 - width) if width else np.uint64(0)
    if width == 0:
        out[:] = least
    elif width <= _NEAR:
        for i in range(out.size):
            bit = np.uint64(i * width)
            out[i] = (load_u64(base + np.uintp(bit >> np.uint64(3))) >> (bit & np.uint64(7)) & mask) + least
    else:
        for i in range(out.size):
            bit = np.uint64(i * width)
            place, shift = base + np.uintp(bit >> np.uint64(3)), bit & np.uint64(7)
            high = load_u64(place + np.uintp(8)) << (np.uint64(63) - shift) << _ONE
            out[i] = (load_u64(place) >> shift | high) & mask
            out[i] += least


@kernel()
def decode_deltas(
    buffer: np.ndarray, at: int, end: int, most: int, skip: int, n: int, some: np.ndarray, out: np.ndarray
) -> bool:
    """Decode integers of one page.

    Parameters
    ----------
    buffer : array of uint8
        Bytes, at least ``end + PADDING`` (see `scalable.kernels.parquet.runs`) of them.
    at, end : int
        Where the encoded values are.
    most : int
        Bits of the type: no difference takes more.
    skip, n : int
        Values to pass over, and to decode.
    some : array of uint64
        Work space; pages whose mini-blocks hold more values are refused.
    out : array of shape (>= n,), uint64
        Output: 64-bit two's complement; narrower integers are its low bits.

    Returns
    -------
    bool
        False when the bytes end early or are not of this encoding.
    """
    block, at = varint(buffer, at, end)
    if at >= 0:
        minis, at = varint(buffer, at, end)
    if at >= 0:
        total, at = varint(buffer, at, end)
    if at >= 0:
        first, at = varint(buffer, at, end)
    if at < 0 or minis == np.uint64(0) or minis > block or block > np.uint64(1 << 24):
        return False
    a_mini: Any = np.int64(block // minis)
    n_minis: Any = np.int64(minis)
    wanted = skip + n
    if block % np.uint64(128) or a_mini % 32 or a_mini > some.size:
        return False
    if total > np.uint64(1 << 62) or np.int64(total) < wanted:
        return False
    base = np.uintp(buffer.ctypes.data)
    value = _zigzag(first)
    if wanted > 0 and skip == 0:
        out[0] = value
    position = 1
    while position < wanted:
        raw, at = varint(buffer, at, end)
        if at < 0 or n_minis > end - at:
            return False
        least = _zigzag(raw)
        widths = at
        at += n_minis
        for m in range(n_minis):
            if position >= wanted:
                break
            width: Any = np.int64(buffer[widths + m])
            size = a_mini * width // 8
            if width > most or size > end - at:
                return False
            count = min(a_mini, wanted - position)
            _unpack(base + np.uintp(at), width, least, some[:count])
            for i in range(count):
                value += some[i]
                some[i] = value
            before = min(count, max(0, skip - position))
            for i in range(before, count):
                out[position - skip + i] = some[i]
            position += count
            at += size
    return True
