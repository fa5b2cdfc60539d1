"""Definition levels of pages that other decoders read: they must be runs of 0 and 1, as many as the page has values.

Levels come first in a page, so the beginning of it is decompressed and no more. Snappy: google/snappy,
``format_description.txt``; LZ4: lz4/lz4, ``lz4_Block_format.md``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.jit import kernel
from scalable.kernels.parquet import codecs, coded, thrift
from scalable.kernels.parquet.files import pread

ENDED, BAD = -1, -2


@kernel()
def _copy_back(out: np.ndarray, at: int, offset: int, length: int, wanted: int) -> int:
    """Repeat what was written `offset` bytes before; return the place after it."""
    if offset <= 0 or offset > at:
        return BAD
    for _ in range(min(length, wanted - at)):
        out[at] = out[at - offset]
        at += 1
    return at


@kernel()
def unpack_snappy(packed: np.ndarray, out: np.ndarray) -> int:
    """Fill `out` with the first bytes of a Snappy block; return 0, `ENDED` where it ends before, or `BAD`."""
    _, at = thrift.varint(packed, 0)
    done: Any = 0
    if at < 0:
        return ENDED
    while done < out.size:
        if at >= packed.size:
            return ENDED
        tag: Any = np.int64(packed[at])
        kind, length = tag & 3, (tag >> 2) + 1
        at += 1
        more = (length - 60 if length > 60 else 0) if kind == 0 else 4 if kind == 3 else kind
        if at + more > packed.size:
            return ENDED
        number: Any = np.int64(0)
        for k in range(more):
            number |= np.int64(packed[at + k]) << 8 * k
        at += more
        if kind == 0:
            length = number + 1 if more else length
            taken = min(length, out.size - done)
            if at + taken > packed.size:
                return ENDED
            for k in range(taken):
                out[done + k] = packed[at + k]
            at += length
            done += taken
            continue
        if kind == 1:
            length, number = (tag >> 2 & 7) + 4, number | tag >> 5 << 8
        done = _copy_back(out, done, number, length, out.size)
        if done < 0:
            return BAD
    return 0


@kernel()
def _extended(packed: np.ndarray, at: Any, length: Any) -> Any:
    """Return a length of LZ4, of which 15 is a beginning, and the place after it; -1 where the bytes end."""
    if length == 15:
        while at < packed.size:
            byte = np.int64(packed[at])
            at += 1
            length += byte
            if byte < 255:
                return length, at
        return length, ENDED
    return length, at


@kernel()
def unpack_lz4(packed: np.ndarray, out: np.ndarray) -> int:
    """Fill `out` with the first bytes of an LZ4 block; return 0, `ENDED` where it ends before, or `BAD`."""
    at: Any = 0
    done: Any = 0
    while done < out.size:
        if at >= packed.size:
            return ENDED
        token: Any = np.int64(packed[at])
        length, at = _extended(packed, at + 1, token >> 4)
        taken = min(length, out.size - done)
        if at < 0 or at + taken > packed.size:
            return ENDED
        for k in range(taken):
            out[done + k] = packed[at + k]
        at += length
        done += taken
        if done == out.size:
            return 0
        if at + 2 > packed.size:
            return ENDED
        offset: Any = np.int64(packed[at]) | np.int64(packed[at + 1]) << 8
        length, at = _extended(packed, at + 2, token & 15)
        if at < 0:
            return ENDED
        done = _copy_back(out, done, offset, length + 4, out.size)
        if done < 0:
            return BAD
    return 0


@kernel()
def _unpack(packed: np.ndarray, codec: int, out: np.ndarray) -> int:
    if codec == codecs.SNAPPY:
        return int(unpack_snappy(packed, out))
    if codec == codecs.LZ4_RAW:
        return int(unpack_lz4(packed, out))
    if packed.size < out.size:
        return ENDED
    out[:] = packed[: out.size]
    return 0


@kernel()
def are_runs(levels: np.ndarray, n: int) -> bool:
    """Return whether bytes are runs and groups of at least `n` levels of 0 and 1."""
    at, done = 0, 0
    while done < n:
        head, at = thrift.varint(levels, at)
        length = head >> 1
        if at < 0 or length <= 0:
            return False
        if head & 1:  # groups of eight bits
            if length > levels.size - at:
                return False
            at += length
            done += 8 * length
        else:
            if at >= levels.size or levels[at] > 1:
                return False
            at += 1
            done += length
    return True


@kernel()
def find_bad_levels(descriptor: int, codec: int, table: np.ndarray) -> int:
    """Return the first page whose definition levels are not runs of 0 and 1 for all its values; -1 where all are.

    Parameters
    ----------
    descriptor : int
        Open file.
    codec : int
        `codecs.UNCOMPRESSED`, `SNAPPY` or `LZ4_RAW`; any, where the levels lie before what is compressed.
    table : array of shape (n_pages, 12), int64
        Pages, as `page_walk.walk_chunk` finds them.
    """
    prefix = np.empty(4, np.uint8)
    packed, levels = np.empty(512, np.uint8), np.empty(512, np.uint8)
    for p in range(table.shape[0]):
        at, size, kept = table[p, coded.OFFSET], table[p, coded.SIZE], table[p, coded.LEVELS]
        if kept != coded.PREFIXED and kept < 0:
            continue
        values = table[p, coded.STOP] - table[p, coded.FIRST]
        before, length, packing, wanted = 0, kept, codecs.UNCOMPRESSED, kept
        if kept == coded.PREFIXED:  # LZ4 may say first, in ones, how many bytes follow as they are
            before, length, packing, wanted = 4, 0, codec, 64 + size // 128
        while True:
            room = min(size, wanted)
            if packed.size < room:
                packed = np.empty(2 * room, np.uint8)
            got = pread(np.int32(descriptor), np.uintp(packed.ctypes.data), np.uintp(room), at)
            if got < room:
                return p
            result = _unpack(packed[:got], packing, prefix) if before else 0
            if result == 0 and before:
                length = 0
                for k in range(4):
                    length |= np.int64(prefix[k]) << 8 * k
                if length > 4 * values + 64:  # no writer is so wasteful, and memory is taken for it
                    return p
            if result == 0:
                if levels.size < before + length:
                    levels = np.empty(2 * (before + length), np.uint8)
                result = _unpack(packed[:got], packing, levels[: before + length])
            if result == 0:
                break
            if result == BAD or room == size:
                return p
            # whoever compresses writes hardly more bytes than it was given
            more = length + length // 4 + 64 + size // 128
            wanted = size if wanted >= more else more
        if not are_runs(levels[before : before + length], values):
            return p
    return -1
