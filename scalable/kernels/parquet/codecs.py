"""Snappy and LZ4 blocks, decompressed straight to where a page is decoded, with every copy inside its bounds.

Libraries hand back memory of their own for each page and are entered from Python, under the interpreter's lock: on
small pages both cost as much as the decompression. Formats: google/snappy ``format_description.txt``, lz4
``lz4_Block_format.md``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from scalable.kernels.jit import kernel
from scalable.kernels.memory import load_u8, load_u16, load_u32, load_u64, store_u8, store_u64

UNCOMPRESSED, SNAPPY, GZIP, ZSTD, LZ4_RAW = 0, 1, 2, 6, 7  # codecs
memcpy = types.ExternalFunction("memcpy", types.uintp(types.uintp, types.uintp, types.uintp))
_WIDE = 64  # from so many bytes on, the system's copy is quicker
_ROOM = 32  # bytes after a copy of `_WIDE` that whole words may touch
# While so much is left of the block and of the room for it, a short copy writes a fixed number of words: what is
# written beyond it is overwritten by what follows, and no branch depends on its length.
_LEFT = 64
_LOOKED_AT = 16  # matches


@kernel(inline=True)
def _copy_words(source: int, to: int) -> None:
    """Copy 16 bytes, word by word: the second may be among those that the first wrote."""
    store_u64(np.uintp(to), load_u64(np.uintp(source)))
    store_u64(np.uintp(to + 8), load_u64(np.uintp(source + 8)))


@kernel(inline=True)
def _copy_match(to: int, to_end: int, offset: int, n: int) -> None:
    """Copy `n` bytes from `offset` before, which may be among those that are written."""
    source = to - offset
    k: Any = np.int64(0)
    if offset >= 8 and to_end - to >= n + _ROOM:
        while k < n:
            _copy_words(source + k, to + k)
            k += 16
    else:
        while k < n:
            store_u8(np.uintp(to + k), load_u8(np.uintp(source + k)))
            k += 1


@kernel()
def decompress_snappy(source: int, size: int, to: int, n_bytes: int) -> bool:
    """Decompress a Snappy block of `size` bytes at address `source` to exactly `n_bytes` at address `to`.

    Returns
    -------
    bool
        False where the block is damaged, or holds another number of bytes.
    """
    at: Any = source
    out: Any = to
    end, begin, stop = source + size, to, to + n_bytes
    length: Any = np.int64(0)
    shift: Any = np.int64(0)
    byte: Any = np.int64(128)
    while byte & 128:
        if at >= end or shift > 28:
            return False
        byte = np.int64(load_u8(np.uintp(at)))
        length |= (byte & 127) << shift
        shift += 7
        at += 1
    if length != n_bytes:
        return False
    while at < end:
        tag: Any = np.int64(load_u8(np.uintp(at)))
        at += 1
        kind: Any = tag & 3
        n: Any = (tag >> 2) + 1
        roomy = end - at >= _LEFT and stop - out >= _LEFT
        if kind == 0:
            if roomy and n <= 16:
                _copy_words(at, out)
                at += n
                out += n
                continue
            if n > 60:
                extra = n - 60
                if end - at < extra:
                    return False
                n = np.int64(1)
                for k in range(extra):
                    n += np.int64(load_u8(np.uintp(at + k))) << (8 * k)
                at += extra
            if n > end - at or n > stop - out:
                return False
            memcpy(np.uintp(out), np.uintp(at), np.uintp(n))
            at += n
            out += n
            continue
        extra = kind + (kind == 3)
        if end - at < extra:
            return False
        if roomy and kind < 3:
            near = kind == 1
            low: Any = np.int64(load_u16(np.uintp(at)))
            offset = (tag >> 5) << 8 | low & 255 if near else low
            n = (tag >> 2 & 7) + 4 if near else n
        elif kind == 1:
            offset, n = (tag >> 5) << 8 | np.int64(load_u8(np.uintp(at))), (tag >> 2 & 7) + 4
        elif kind == 2:
            offset = np.int64(load_u16(np.uintp(at)))
        else:
            offset = np.int64(load_u32(np.uintp(at)))
        at += extra
        if offset == 0 or offset > out - begin or n > stop - out:
            return False
        if roomy and offset >= 8 and n <= 16:
            _copy_words(out - offset, out)
        else:
            _copy_match(out, stop, offset, n)
        out += n
    return bool(out == stop)


@kernel(inline=True)
def _longer(at: Any, end: int) -> tuple[Any, Any]:
    """Return what the bytes after a full nibble add to a length, and where they end; -1 past the end."""
    n: Any = np.int64(0)
    while at < end:
        byte = np.int64(load_u8(np.uintp(at)))
        at += 1
        n += byte
        if byte != 255:
            return n, at
    return n, np.int64(-1)


@kernel(inline=True)
def _shifted(last: Any, at: int, n: int) -> Any:
    """Return the 8 bytes that are last once `n` at address `at`, of which 8 may be read, are behind `last`."""
    if n >= 8:
        return load_u64(np.uintp(at + n - 8))
    bits = np.uint64(8 * n)
    return (last >> bits) | ((load_u64(np.uintp(at)) << np.uint64(1)) << (np.uint64(63) - bits))


@kernel(inline=True)
def _repeat_eight(at: Any, end: int, out: Any, stop: int, last: Any, n: Any) -> tuple[Any, Any]:
    """Write matches with the 8 bytes before them, which are `last`: one of `n` bytes, and those that follow at once.

    Of numbers in order nearly every match is such a one. What it repeats was written just now, in pieces: the processor
    would wait until these are in the cache, so they are kept in a register.
    """
    while True:
        for k in range(3):
            store_u64(np.uintp(out + 8 * k), last)
        out += n
        turn = np.uint64(8 * (n & 7))
        last = (last >> turn) | (last << ((np.uint64(64) - turn) & np.uint64(63)))
        token: Any = np.int64(load_u8(np.uintp(at)))
        literals, n = token >> 4, (token & 15) + 4
        if literals == 15 or n == 19 or end - at <= _LEFT or stop - out < _LEFT:
            return at, out
        if load_u16(np.uintp(at + 1 + literals)) != 8:
            return at, out
        _copy_words(at + 1, out)
        last = _shifted(last, at + 1, literals)
        at += literals + 3
        out += literals


@kernel()
def _in_order(at: Any, end: int) -> bool:
    """Return whether most of the first matches repeat the 8 bytes before them, as those of numbers in order do."""
    found = 0
    for _ in range(_LOOKED_AT):
        if end - at < _LEFT:
            return False
        token: Any = np.int64(load_u8(np.uintp(at)))
        literals = token >> 4
        if literals == 15:
            return False
        found += load_u16(np.uintp(at + 1 + literals)) == 8
        at += literals + 3 + (token & 15 == 15)
    return 2 * found > _LOOKED_AT


@kernel()
def decompress_lz4(source: int, size: int, to: int, n_bytes: int) -> bool:
    """Decompress an LZ4 block, as `decompress_snappy` does."""
    # To watch for matches of numbers in order takes others a thirtieth longer.
    if _in_order(np.int64(source), source + size):
        return _decompress_lz4(source, size, to, n_bytes, True)  # type: ignore[no-any-return]
    return _decompress_lz4(source, size, to, n_bytes, None)  # type: ignore[no-any-return]


@kernel()
def _decompress_lz4(source: int, size: int, to: int, n_bytes: int, ordered: bool | None) -> Any:
    """Do `decompress_lz4`; whether `ordered` is None is decided before this is compiled."""
    at: Any = source
    out: Any = to
    end, begin, stop = source + size, to, to + n_bytes
    before: Any = np.int64(1)  # how far the last match's offset was from 8, of short ones
    while at < end:
        token: Any = np.int64(load_u8(np.uintp(at)))
        at += 1
        n: Any = token >> 4
        if end - at >= _LEFT and stop - out >= _LEFT and n < 15:
            _copy_words(at, out)
            at += n
            out += n
        else:
            before = np.int64(1)
            if n == 15:
                more, at = _longer(at, end)
                n += more
            if at < 0 or n > end - at or n > stop - out:
                return False
            memcpy(np.uintp(out), np.uintp(at), np.uintp(n))
            at += n
            out += n
            if at == end:  # the last sequence has no match
                return bool(out == stop)
            if end - at < 2:
                return False
        offset = np.int64(load_u16(np.uintp(at)))
        at += 2
        n = (token & 15) + 4
        if offset == 0 or offset > out - begin:
            return False
        if n < 19 and offset >= 8 and stop - out >= _ROOM:
            if ordered is not None:  # noqa: SIM102 - a branch on None alone is decided before it is compiled
                if not ((offset ^ 8) | before):
                    literals: Any = token >> 4
                    last = _shifted(load_u64(np.uintp(out - literals - 8)), at - 2 - literals, literals)
                    at, out = _repeat_eight(at, end, out, stop, last, n)
                    continue
            _copy_words(out - offset, out)
            store_u64(np.uintp(out + 16), load_u64(np.uintp(out + 16 - offset)))
        else:
            if n == 19:
                more, at = _longer(at, end)
                if at < 0:
                    return False
                n += more
            if n > stop - out:
                return False
            _copy_match(out, stop, offset, n)
        before = offset ^ 8
        out += n
    return False
