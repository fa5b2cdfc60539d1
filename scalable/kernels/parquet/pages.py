"""Headers of Parquet pages: the few fields that say where a page's values are and how they are kept.

A header is a Thrift structure in the compact protocol (parquet-format, ``PageHeader``); Python would
take longer to read one than to read the page.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.jit import kernel
from scalable.kernels.memory import load_u32
from scalable.kernels.parquet import thrift
from scalable.kernels.parquet.runs import decode_runs

# Places in what `parse_header` writes.
KIND, PLAIN_BYTES, STORED_BYTES, CRC, VALUES, ENCODING, NULLS, LEVEL_BYTES, LEVEL_ENCODING, COMPRESSED = (
    range(10)
)
N_FIELDS = 10
DATA_PAGE, DICTIONARY_PAGE, DATA_PAGE_V2 = 0, 2, 3
PLAIN, PLAIN_DICTIONARY, RLE, BIT_PACKED, DELTA_BINARY_PACKED, RLE_DICTIONARY = 0, 2, 3, 4, 5, 8  # encodings
UNKNOWN = -1  # nulls of a first-version page are not in its header
# Instead of the bytes of levels: they are in no way that is read here, contradict the page's size, there are none,
# their number is in front of them.
UNUSUAL, NO_LEVELS, REQUIRED, PREFIXED = -4, -3, -2, -1

_DEPTH = 8
# Structures, by their field in the header; statistics have the number of the field that nobody uses.
_HEADER, _DATA, _STATISTICS, _DICTIONARY, _DATA_V2, _OTHER = 0, 5, 6, 7, 8, -1
# Fields that there must be, as bits.
_NEEDED_HEADER, _NEEDED_DATA, _NEEDED_DICTIONARY, _NEEDED_V2 = 0b1110, 0b11110, 0b110, 0b1111110


@kernel(inline=True)
def _is_typed(parent: int, field: int, kind: int) -> bool:
    """Return whether a field is of the type that it should be: readers differ in what they make of another."""
    if parent == _OTHER or field < 1:
        return True
    if parent == _STATISTICS:
        if field > 8:
            return True
        if field > 6:
            return bool(kind in (thrift.TRUE, thrift.FALSE))
        return bool(kind == (thrift.I64 if field in (3, 4) else thrift.BINARY))
    numbers = 4 if parent in (_HEADER, _DATA) else 2 if parent == _DICTIONARY else 6
    if field <= numbers:
        return bool(kind == thrift.I32)
    if parent in (_DICTIONARY, _DATA_V2) and field == numbers + 1:
        return bool(kind in (thrift.TRUE, thrift.FALSE))
    structures = 8 if parent in (_HEADER, _DATA_V2) else 5 if parent == _DATA else 0
    return bool(kind == thrift.STRUCT or field > structures)


@kernel(inline=True)
def _keep(parent: int, field: int, value: Any, out: np.ndarray) -> None:
    """Store a field of the header or of the structure in it that describes the page."""
    if parent == _HEADER:
        if 1 <= field <= 4:
            out[KIND + field - 1] = value & 0xFFFFFFFF if field == 4 else value
    elif field == 1:
        out[VALUES] = value
    elif parent == _DATA_V2:
        if field == 2:
            out[NULLS] = value
        elif field == 4:
            out[ENCODING] = value
        elif field == 5:
            out[LEVEL_BYTES] = value
        # As many rows as values, and no repetition levels: only columns that are not nested are read.
        if (field == 2 and value < 0) or (field == 3 and value != out[VALUES]) or (field == 6 and value):
            out[VALUES] = UNKNOWN
    elif field == 2:
        out[ENCODING] = value
    elif field == 3:
        out[LEVEL_ENCODING] = value


@kernel()
def parse_header(buffer: np.ndarray, out: np.ndarray) -> int:
    """Read the page header at the start of a buffer.

    Parameters
    ----------
    buffer : array of uint8
        Bytes of a file from the start of a page on.
    out : int64 array of shape (10,)
        Output: kind of page, bytes of the page decompressed and stored, checksum (-1 where there is none), values (-1
        where they are not as many as rows), encoding, nulls (-1 where unknown), bytes of levels before the values
        (version 2), encoding of the definition levels, whether values are compressed where the chunk is (version 2).

    Returns
    -------
    int
        Length of the header; -1 when the buffer ends before it, or it is not understood.
    """
    out[:] = 0
    out[NULLS], out[CRC], out[LEVEL_ENCODING], out[COMPRESSED] = UNKNOWN, UNKNOWN, RLE, 1
    parents = np.zeros(_DEPTH, np.int64)
    fields = np.zeros(_DEPTH, np.int64)
    seen = np.zeros(_DATA_V2 + 1, np.int64)  # fields of each structure, as bits
    level = 0
    at = 0
    while at < buffer.size:
        if buffer[at] == 0:  # end of a structure
            at += 1
            if level == 0:
                return at if _complete(out[KIND], seen) else thrift.DAMAGED
            level -= 1
            continue
        kind, field, at = thrift.field_of(buffer, at, fields[level])
        if at < 0:
            return thrift.DAMAGED
        fields[level] = field
        parent = parents[level]
        if not _is_typed(parent, field, kind):
            return thrift.DAMAGED
        if kind == thrift.BYTE:
            at += 1
        elif thrift.I16 <= kind <= thrift.I64:
            raw, at = thrift.varint(buffer, at)
            value = thrift.signed(raw)
            if kind == thrift.I32 and parent != _OTHER and 0 < field < 16:
                if not -(2**31) <= value < 2**31:
                    return thrift.DAMAGED
                _keep(parent, field, value, out)
                seen[parent] |= 1 << field
        elif kind == thrift.DOUBLE:
            at += 8
        elif kind == thrift.BINARY:
            _, at = thrift.skip_binary(buffer, at)
        elif kind == thrift.STRUCT and level + 1 < _DEPTH:
            described = level == 0 and field in (_DATA, _DICTIONARY, _DATA_V2)
            statistics = (parent == _DATA and field == 5) or (parent == _DATA_V2 and field == 8)
            level += 1
            parents[level] = field if described else _STATISTICS if statistics else _OTHER
            fields[level] = 0
        elif kind not in (thrift.TRUE, thrift.FALSE):
            return thrift.DAMAGED
        elif parent == _DATA_V2 and field == 7:
            out[COMPRESSED] = kind == thrift.TRUE
        if at < 0:
            return thrift.DAMAGED
    return thrift.DAMAGED


@kernel(inline=True)
def _complete(kind: int, seen: np.ndarray) -> bool:
    """Return whether a header holds what it must, and the one structure that its kind of page has."""
    if seen[_HEADER] & _NEEDED_HEADER != _NEEDED_HEADER:
        return False
    if kind == DATA_PAGE:
        return bool(
            seen[_DATA] & _NEEDED_DATA == _NEEDED_DATA and seen[_DICTIONARY] == 0 and seen[_DATA_V2] == 0
        )
    if kind == DICTIONARY_PAGE:
        return bool(seen[_DICTIONARY] & _NEEDED_DICTIONARY == _NEEDED_DICTIONARY and seen[_DATA] == 0)
    return bool(
        kind == DATA_PAGE_V2
        and seen[_DATA_V2] & _NEEDED_V2 == _NEEDED_V2
        and seen[_DATA] == 0
        and seen[_DICTIONARY] == 0
    )


@kernel()
def all_ones(buffer: np.ndarray, n: int) -> bool:
    """Return whether encoded definition levels are one run that says that none of `n` values is null.

    Parameters
    ----------
    buffer : array of uint8
        The levels and nothing else.
    n : int
        Values of the page.
    """
    run, at = thrift.varint(buffer, 0)
    # One run of a repeated value: an even header, then the value.
    return bool(at >= 0 and at < buffer.size and run & 1 == 0 and run >> 1 >= n and buffer[at] == 1)


@kernel()
def decode_levels(
    buffer: np.ndarray, levels: Any, size: int, rows: int, stop: int, valid: np.ndarray
) -> tuple[Any, bool]:
    """Decode which of the first `stop` of a page's rows have a value.

    Returns where its values begin, or -1, and whether all rows have one, which is not written to `valid` then.
    """
    at: Any = np.int64(0)
    if levels == PREFIXED:
        if size < 4:
            return np.int64(-1), False
        levels = np.int64(load_u32(np.uintp(buffer.ctypes.data)))
        at = np.int64(4)
    if levels > size - at:
        return np.int64(-1), False
    if all_ones(buffer[at : at + levels], rows):
        return at + levels, True
    if not decode_runs(buffer, at, at + levels, 1, 0, stop, valid):
        return np.int64(-1), False
    return at + levels, False
