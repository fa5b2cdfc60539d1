"""Where the columns of a frame lie in memory: read from the structs of Arrow's C data interface, all in one call.

pyarrow takes three microseconds a column to say where its values are; here a frame of 22 columns takes one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from scalable.kernels.copying import copy_values
from scalable.kernels.encode.columns import (
    BITS,
    FLOAT32,
    FLOAT64,
    INT8,
    INT16,
    INT32,
    INT64,
    widen,
    widen_whole,
)
from scalable.kernels.encode.request import ABSENT
from scalable.kernels.jit import kernel
from scalable.kernels.memory import as_pointer, load_i64, load_u8, load_u32, load_u64

UINT8, UINT16, UINT32, UINT64, ENTRIES = range(FLOAT64 + 1, FLOAT64 + 6)
"""Kinds of values beyond those of `columns`; `ENTRIES` are texts without an index."""
NO_TEXT, SHORT, LONG, VIEWS = range(4)
"""Layouts of text: none, between offsets of 32 or 64 bits, or views of 16 bytes."""

WHERE = np.dtype(
    [
        ("address", np.int64),  # of the first value; of bits, of the byte of bit 0
        ("valid", np.int64),  # address of the validity bitmap; 0 where nothing is null
        ("first", np.int64),  # bit of the first value
        ("kind", np.int64),
        ("layout", np.int64),  # of the texts that the values are places of
        ("starts", np.int64),  # address of their first offset or view
        ("data", np.int64),  # address of their bytes; of views, of the addresses of these
        ("end", np.int64),  # address behind these bytes
        ("size", np.int64),  # how many there are
        ("text_valid", np.int64),
        ("text_first", np.int64),
        ("marked", np.int64),  # whether the least int64, or a negative place, is missing, as in pandas
    ]
)
ALL_READ, UNUSUAL = -1, -2
"""What `read_arrays` returns where no array has to be brought in order first."""
CHILD = np.dtype([("place", np.int64), ("kind", np.int64), ("layout", np.int64)])
# PyArrayObject (NumPy's public ABI): data, int nd, then the addresses of nd lengths and of nd steps, in bytes
_DATA_AT, _ND, _LENGTHS, _STEPS, _WORDS_OF_TEXTS = 16, 24, 32, 40, 7
# struct ArrowSchema and struct ArrowArray, in bytes
_FORMAT, _NAME, _METADATA, _FIELDS, _FIELD, _OF_TEXTS = 0, 8, 16, 32, 40, 48
_LENGTH, _NULLS, _OFFSET, _CHILDREN, _BUFFERS, _CHILD, _DICTIONARY = 0, 8, 16, 32, 40, 48, 56


@kernel(inline=True)
def _word(address: Any, offset: Any) -> Any:
    return np.uintp(load_u64(address + np.uintp(offset)))


@kernel(inline=True)
def _number(address: Any, offset: Any) -> Any:
    return load_i64(address + np.uintp(offset))


@kernel()
def _put(text: Any, size: int, out: np.ndarray, at: int) -> int:
    """Copy bytes, up to the first 0 where `size` is negative, and a 0; return the place behind, or -1 if full."""
    k = 0
    while at >= 0:
        byte = load_u8(text + np.uintp(k)) if text and (size < 0 or k < size) else np.uint8(0)
        if at >= out.size:
            return -1
        out[at] = byte
        at, k = at + 1, k + 1
        if k > size if size >= 0 else byte == 0:
            break
    return at


@kernel()
def _metadata_size(metadata: Any) -> Any:
    """Return the bytes of a field's metadata: a count of pairs, then size and bytes of each key and value."""
    if not metadata:
        return 0
    at: Any = 4
    for _ in range(2 * np.int64(load_u32(metadata))):
        at += 4 + np.int64(load_u32(metadata + np.uintp(at)))
    return at


@kernel()
def write_schema(schema: int, out: np.ndarray) -> int:
    """Write how many columns a frame has, their names, formats and dictionaries' formats, then their metadata.

    Parameters
    ----------
    schema : int
        Address of a struct ArrowSchema.
    out : array of uint8
        Output, at least 8.

    Returns
    -------
    int
        Bytes that were written, equal for equal schemas only; -1 where there is no room.
    """
    at, address = 8, np.uintp(schema)
    fields, n = _word(address, _FIELD), _number(address, _FIELDS)
    for k in range(8):
        out[k] = (n >> (8 * k)) & 255
    for k in range(n):
        field = _word(fields, 8 * k)
        texts = _word(field, _OF_TEXTS)
        at = _put(_word(field, _NAME), -1, out, at)
        at = _put(_word(field, _FORMAT), -1, out, at)
        at = _put(_word(texts, _FORMAT) if texts else texts, -1, out, at)
    for k in range(n):
        metadata = _word(_word(fields, 8 * k), _METADATA)
        at = _put(metadata, _metadata_size(metadata), out, at)
    return at


@kernel(inline=True)
def width_of(kind: Any) -> Any:
    """Return the bytes of a value; 0 for bits."""
    if kind in (INT8, UINT8):
        return 1
    if kind in (INT16, UINT16):
        return 2
    if kind in (INT32, UINT32, FLOAT32):
        return 4
    return 0 if kind == BITS else 8


@kernel()
def find_end(column: Any) -> None:
    """Write where the bytes of a column's texts end."""
    column.end = 0
    if column.size and column.layout == SHORT:
        column.end = column.data + np.int64(load_u32(np.uintp(column.starts + 4 * column.size)))
    elif column.size and column.layout == LONG:
        column.end = column.data + load_i64(np.uintp(column.starts + 8 * column.size))


@kernel()
def _read_texts(array: Any, layout: int, column: Any) -> None:
    """Write where the texts of an array lie."""
    buffers, first = _word(array, _BUFFERS), _number(array, _OFFSET)
    wide = 4 if layout == SHORT else (8 if layout == LONG else 16)
    column.starts = np.int64(_word(buffers, 8)) + wide * first
    column.data = np.int64(buffers) + 16 if layout == VIEWS else np.int64(_word(buffers, 16))
    column.size = _number(array, _LENGTH)
    find_end(column)
    column.text_valid = np.int64(_word(buffers, 0)) if _number(array, _NULLS) else 0
    column.text_first = first


@kernel()
def read_arrow(array: int, children: np.ndarray, where: np.ndarray) -> bool:
    """Write where the columns of a frame lie.

    Parameters
    ----------
    array : int
        Address of a struct ArrowArray, of a frame whose schema was looked at.
    children : CHILD array of shape (n_columns,)
        Which of its columns, and what they are.
    where : WHERE array of shape (n_columns,)
        Output.

    Returns
    -------
    bool
        Whether the frame is laid out as usual; if not, nothing is to be read.
    """
    address = np.uintp(array)
    n, arrays = _number(address, _LENGTH), _word(address, _CHILD)
    if _number(address, _OFFSET) or (_number(address, _NULLS) > 0):
        return False
    for k in range(children.size):
        wanted, column = children[k], where[k]
        if wanted.place >= _number(address, _CHILDREN):
            return False
        child = _word(arrays, 8 * wanted.place)
        if _number(child, _LENGTH) != n:
            return False
        buffers, first = _word(child, _BUFFERS), _number(child, _OFFSET)
        column.valid = np.int64(_word(buffers, 0)) if _number(child, _NULLS) else 0
        column.first, column.kind, column.layout = first, wanted.kind, wanted.layout
        column.marked = 0
        if wanted.kind == ENTRIES:
            column.address = 0
            _read_texts(child, wanted.layout, column)
            continue
        column.address = np.int64(_word(buffers, 8)) + width_of(wanted.kind) * first
        if wanted.layout != NO_TEXT:
            texts = _word(child, _DICTIONARY)
            if not texts:
                return False
            _read_texts(texts, wanted.layout, column)
    return True


@kernel()
def read_arrays(words: np.ndarray, places: np.ndarray, n_rows: int, where: np.ndarray) -> Any:
    """Write where columns lie that are rows of NumPy's arrays, and where texts do.

    Parameters
    ----------
    words : int64 array
        How many arrays there are and the addresses of these objects; then seven words of each column of texts, or of
        places of texts: column, layout, addresses of all offsets and of the bytes, how many, address of the validity
        bitmap or 0, and which is the first.
    places : int64 array of shape (n_placed, 4)
        Column, which array, its row there (0 of one of one dimension), bytes of a value.
    n_rows : int
        Of the frame.
    where : WHERE array of shape (n_columns,)
        Kinds and marks are there already.

    Returns
    -------
    int
        Which array's values do not follow each other, `ALL_READ`, or `UNUSUAL` where nothing is to be read.
    """
    for p in range(places.shape[0]):
        column, which, row, size = places[p, 0], places[p, 1], places[p, 2], places[p, 3]
        held = np.uintp(words[1 + which])
        nd = np.int64(load_u32(held + np.uintp(_ND)))
        lengths, steps = _word(held, _LENGTHS), _word(held, _STEPS)
        if nd < 1 or nd > 2 or _number(lengths, 8 * (nd - 1)) != n_rows:
            return UNUSUAL
        if row >= (_number(lengths, 0) if nd == 2 else 1):
            return UNUSUAL
        if n_rows > 1 and _number(steps, 8 * (nd - 1)) != size:
            return which
        where[column].address = _number(held, _DATA_AT) + (row * _number(steps, 0) if nd == 2 else 0)
    for at in range(1 + words[0], words.size, _WORDS_OF_TEXTS):
        column, layout, first = where[words[at]], words[at + 1], words[at + 6]
        column.layout, column.data, column.size = layout, words[at + 3], words[at + 4]
        column.starts = words[at + 2] + (4 if layout == SHORT else 8) * first
        column.text_valid, column.text_first = words[at + 5], first
        find_end(column)
    return ALL_READ


@kernel(inline=True)
def is_null(valid: Any, bit: Any) -> Any:
    """Return whether the bit of a value in a bitmap is 0; there may be no bitmap."""
    if not valid:
        return False
    byte = load_u8(np.uintp(valid) + np.uintp(bit >> 3))
    return (byte >> np.uint8(bit & 7)) & np.uint8(1) == 0


@kernel()
def whole_numbers(column: Any, first: int, out: np.ndarray) -> None:
    """Write the integers from row `first` on, as float64 or as int64, those of 64 bits as they are.

    Null ones are undefined.
    """
    n, kind = out.size, column.kind
    address = column.address + width_of(kind) * first
    at = as_pointer(np.uintp(address))
    if kind == UINT8:
        copy_values(carray(at, (n,), np.uint8), out)
    elif kind == UINT16:
        copy_values(carray(at, (n,), np.uint16), out)
    elif kind == UINT32:
        copy_values(carray(at, (n,), np.uint32), out)
    elif kind == UINT64:
        copy_values(carray(at, (n,), np.uint64), out)
    else:
        widen_whole(kind, address, out)


@kernel()
def numbers(column: Any, first: int, out: np.ndarray) -> None:
    """Write the values from row `first` on as float64, NaN where they are missing."""
    n, kind = out.size, column.kind
    address, valid, bit = column.address + width_of(kind) * first, column.valid, column.first + first
    if kind in (BITS, FLOAT32, FLOAT64):
        widen(kind, address, bit, out)
    else:
        whole_numbers(column, first, out)
    if column.marked and kind == INT64:
        whole = carray(as_pointer(np.uintp(address)), (n,), np.int64)
        for i in range(n):
            out[i] = np.nan if whole[i] == ABSENT else out[i]
    if valid:
        for i in range(n):
            if is_null(valid, bit + i):
                out[i] = np.nan
