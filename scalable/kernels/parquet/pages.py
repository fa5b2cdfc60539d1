"""Headers of Parquet pages: the few fields that say where a page's plain values are.

A header is a Thrift structure in the compact protocol (parquet-format, ``PageHeader``); Python would
take longer to read one than to read the page.
"""

from __future__ import annotations

import numpy as np

from scalable.kernels.jit import kernel

# Places in what `parse_header` writes.
KIND, PLAIN_BYTES, STORED_BYTES, VALUES, ENCODING, NULLS, LEVEL_BYTES, COMPRESSED = range(8)
N_FIELDS = 8
DATA_PAGE, DICTIONARY_PAGE, DATA_PAGE_V2 = 0, 2, 3
PLAIN, PLAIN_DICTIONARY, DELTA_BINARY_PACKED, RLE_DICTIONARY = 0, 2, 5, 8  # encodings
UNKNOWN = -1  # how many values of a first-version page are null is not in its header

_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _STRUCT = 1, 2, 3, 7, 8, 12
_DEPTH = 8


@kernel(inline=True)
def _varint(buffer: np.ndarray, at: int) -> tuple[int, int]:
    """Return an unsigned varint and the place after it; the place is -1 where the buffer ends."""
    value = 0
    shift = 0
    while at < buffer.size and shift < 63:
        byte = int(buffer[at])
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    return 0, -1


@kernel(inline=True)
def _keep(parent: int, field: int, value: int, out: np.ndarray) -> None:
    """Store a field of the header (`parent` 0), of its data page (5), dictionary (7) or data page of version 2 (8)."""
    place = -1
    if parent == 0 and 1 <= field <= 3:
        place = field - 1
    elif parent in (5, 7) and 1 <= field <= 2:
        place = VALUES + field - 1
    elif parent == 8:
        if field == 1:
            place = VALUES
        elif field == 2:
            place = NULLS
        elif field == 4:
            place = ENCODING
        elif 5 <= field <= 6:
            out[LEVEL_BYTES] += value
        elif field == 7:
            place = COMPRESSED
    if place >= 0:
        out[place] = value


@kernel()
def parse_header(buffer: np.ndarray, out: np.ndarray) -> int:
    """Read the page header at the start of a buffer.

    Parameters
    ----------
    buffer : array of uint8
        Bytes of a file from the start of a page on.
    out : int64 array of shape (8,)
        Output: kind of page, bytes of the page decompressed and stored, values, encoding, nulls (-1
        where unknown), bytes of levels before the values (version 2), whether it is compressed.

    Returns
    -------
    int
        Length of the header; -1 when the buffer ends before it, or it is not understood.
    """
    out[:] = 0
    out[NULLS] = UNKNOWN
    out[COMPRESSED] = 1
    parents = np.zeros(_DEPTH, np.int64)
    fields = np.zeros(_DEPTH, np.int64)
    level = 0
    at = 0
    while at < buffer.size:
        head = int(buffer[at])
        at += 1
        if head == 0:  # end of a structure
            if level == 0:
                return at
            level -= 1
            continue
        kind = head & 15
        step = head >> 4
        if step:
            fields[level] += step
        else:
            raw, at = _varint(buffer, at)
            if at < 0:
                return -1
            fields[level] = (raw >> 1) ^ -(raw & 1)
        field = fields[level]
        parent = parents[level]
        if _TRUE <= kind <= _FALSE:
            _keep(parent, field, 1 if kind == _TRUE else 0, out)
        elif kind == _BYTE:
            at += 1
        elif 4 <= kind <= 6:
            raw, at = _varint(buffer, at)
            _keep(parent, field, (raw >> 1) ^ -(raw & 1), out)
        elif kind == _DOUBLE:
            at += 8
        elif kind == _BINARY:
            raw, at = _varint(buffer, at)
            # a length that overflowed is negative and would lead back: forward only
            at = at + raw if at >= 0 and 0 <= raw <= buffer.size - at else -1
        elif kind == _STRUCT and level + 1 < _DEPTH:
            level += 1
            # A field number says what a structure is only in the header itself.
            parents[level] = field if level == 1 else -1
            fields[level] = 0
        else:
            return -1
        if at < 0:
            return -1
    return -1


@kernel()
def skip_levels(buffer: np.ndarray, n: int) -> int:
    """Return where the values of a first-version page begin, behind definition levels that are all 1.

    Parameters
    ----------
    buffer : array of uint8
        The (decompressed) page, or its first bytes.
    n : int
        Values of the page.

    Returns
    -------
    int
        Offset of the values; -1 when a value may be null.
    """
    if buffer.size < 8:
        return -1
    length = int(buffer[0]) | int(buffer[1]) << 8 | int(buffer[2]) << 16 | int(buffer[3]) << 24
    run, at = _varint(buffer, 4)
    # One run of a repeated value: an even header, then the value.
    if at < 0 or at >= buffer.size or run & 1 or run >> 1 < n or buffer[at] != 1:
        return -1
    return 4 + length
