"""The places of a frame's texts, identifiers and times: among known categories, hashed buckets, hours and weekdays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from scalable.kernels.encode.columns import BITS, FLOAT32, FLOAT64
from scalable.kernels.encode.encoding import calendar, integer_hash, text_hash
from scalable.kernels.encode.frame_columns import ENTRIES, LONG, SHORT, VIEWS, is_null, numbers, whole_numbers
from scalable.kernels.encode.request import ABSENT
from scalable.kernels.jit import kernel
from scalable.kernels.memory import as_pointer, load_i64, load_u8, load_u32, load_u64

KNOWN, TEXT, INTEGER = range(3)
"""What a place is: that of a known text, the bucket of a text, the bucket of an integer."""
HOW = np.dtype(
    [
        ("column", np.int64),  # of the frame
        ("to", np.int64),  # row of the output
        ("mode", np.int64),
        ("known", np.int64),  # address of the table of known texts
        ("mask", np.uint64),  # of the buckets, or of the table's entries
        ("salt", np.uint64),
        ("base", np.int64),  # added to every place
        ("unknown", np.int64),  # place of other texts
        ("missing", np.int64),
    ]
)
PARTS = np.dtype(
    [
        ("column", np.int64),
        ("to", np.int64),  # first row of the output
        ("day", np.int64),  # units a day
        ("hour", np.int64),  # first feature index of the hours, -1 without
        ("weekday", np.int64),
    ]
)
ENTRY = np.dtype(
    [
        ("head", np.uint64),  # the first eight bytes of a text, 0 behind shorter ones
        (
            "tail",
            np.uint64,
        ),  # its last eight where it has more; they tell texts of up to 16 bytes and of one size
        ("size", np.int64),  # bytes, and one; 0 where there is no entry
        ("place", np.int64),
        ("address", np.int64),
    ]
)
_ENTRY, _TWO_63, _TWO_64 = np.uint64(ENTRY.itemsize), 2.0**63, 2.0**64
MIX, SPREAD = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x9E3779B97F4A7C15)  # odd, their bits in no order
_ONE, _ALL = np.uint64(1), np.uint64(2**64 - 1)


@kernel(inline=True)
def _text(layout: Any, starts: Any, data: Any, k: Any) -> Any:
    """Return address and bytes of the text at place `k`."""
    if layout == SHORT:
        at = starts + np.uintp(4 * k)
        start, stop = np.int64(load_u32(at)), np.int64(load_u32(at + np.uintp(4)))
        return data + np.uintp(start), stop - start
    if layout == LONG:
        at = starts + np.uintp(8 * k)
        start, stop = load_i64(at), load_i64(at + np.uintp(8))
        return data + np.uintp(start), stop - start
    at = starts + np.uintp(16 * k)
    size = np.int64(load_u32(at))
    if size <= 12:
        return at + np.uintp(4), size
    held = load_u64(data + np.uintp(8) * np.uintp(load_u32(at + np.uintp(8))))
    return np.uintp(held) + np.uintp(load_u32(at + np.uintp(12))), size


@kernel(inline=True)
def _entry(mask: Any, head: Any, tail: Any, size: Any) -> Any:
    """Return which entry the search for a text begins with."""
    slot = (head ^ (tail * MIX) ^ np.uint64(size)) * SPREAD
    return (slot ^ (slot >> np.uint64(32))) & mask


@kernel()
def _find(how: Any, at: Any, size: int) -> Any:
    """Return the place of a known text, -1 for others."""
    head = tail = np.uint64(0)
    for k in range(min(size, 8)):
        head |= np.uint64(load_u8(at + np.uintp(k))) << np.uint64(8 * k)
    if size > 8:
        tail = load_u64(at + np.uintp(size - 8))
    slot = _entry(how.mask, head, tail, size)
    while True:
        entry = np.uintp(np.uint64(how.known) + slot * _ENTRY)
        found = load_i64(entry + np.uintp(16))
        if found == 0:
            return -1
        if found == size + 1 and load_u64(entry) == head and load_u64(entry + np.uintp(8)) == tail:
            held, same = np.uintp(load_u64(entry + np.uintp(32))), True
            for k in range(8, size - 8):
                same &= load_u8(held + np.uintp(k)) == load_u8(at + np.uintp(k))
            if same:
                return load_i64(entry + np.uintp(24))
        slot = (slot + _ONE) & how.mask


@kernel()
def _find_all(how: Any, column: Any, first: int, out: np.ndarray) -> None:
    """Write the places of texts among known ones; next to no branch depends on what they are."""
    known, mask, base, layout = np.uintp(how.known), how.mask, how.base, column.layout
    starts, data, end = np.uintp(column.starts), np.uintp(column.data), np.uintp(column.end)
    valid, bit = (
        column.text_valid,
        column.text_first,
    )  # read once: for all the compiler knows, `out` is over them
    for i in range(out.size):
        k = first + i
        if not is_null(valid, bit + k):
            at, size = _text(layout, starts, data, k)
            if layout == VIEWS:
                end = starts + np.uintp(16 * (k + 1))
            if at + np.uintp(8) <= end or size >= 8:  # whatever follows the text is there to be read
                rest = max(size - 8, 0)
                head = load_u64(at) & (_ALL if size >= 8 else (_ONE << np.uint64(8 * size)) - _ONE)
                tail = load_u64(at + np.uintp(rest)) & (_ALL if rest else np.uint64(0))
                entry = known + np.uintp(_entry(mask, head, tail, size) * _ENTRY)
                same = (load_u64(entry) ^ head) | (load_u64(entry + np.uintp(8)) ^ tail)
                if same == 0 and load_i64(entry + np.uintp(16)) == size + 1 and size <= 16:
                    out[i] = base + load_i64(entry + np.uintp(24))
                    continue
        out[i] = _place(how, column, k)


@kernel()
def _place(how: Any, column: Any, k: int) -> Any:
    """Return the place of the text at `k`."""
    if is_null(column.text_valid, column.text_first + k):
        return how.missing
    at, size = _text(column.layout, np.uintp(column.starts), np.uintp(column.data), k)
    if how.mode == TEXT:
        data = carray(as_pointer(at), (size,), np.uint8)
        return how.base + np.int64(text_hash(data, 0, size, how.salt) & how.mask)
    found = _find(how, at, size)
    return how.unknown if found < 0 else how.base + found


@kernel(inline=True)
def _integer(value: Any) -> Any:
    """Return a float as an integer; of what is none, the bits."""
    if value == np.floor(value):
        if -_TWO_63 <= value < _TWO_63:
            return np.int64(value)
        if _TWO_63 <= value < _TWO_64:
            return np.int64(np.uint64(value))
    return np.float64(value).view(np.int64)


@kernel()
def _integers(how: Any, column: Any, first: int, wide: np.ndarray, out: np.ndarray) -> None:
    """Write the buckets of integers."""
    if column.kind in (BITS, FLOAT32, FLOAT64):
        floats = np.empty(out.size)
        numbers(column, first, floats)
        for i in range(out.size):
            held = integer_hash(_integer(floats[i]), how.salt) & how.mask
            out[i] = how.missing if np.isnan(floats[i]) else how.base + np.int64(held)
        return
    whole_numbers(column, first, wide)
    base, salt, mask = how.base, how.salt, how.mask
    for i in range(out.size):
        out[i] = base + np.int64(integer_hash(wide[i], salt) & mask)
    if column.valid:
        for i in range(out.size):
            if is_null(column.valid, column.first + first + i):
                out[i] = how.missing


@kernel()
def find_places(where: np.ndarray, hows: np.ndarray, first: int, out: np.ndarray) -> bool:
    """Write the places of rows from `first` on.

    Parameters
    ----------
    where : WHERE array of shape (n_columns,)
        A frame's columns.
    hows : HOW array of shape (n_wanted,)
        What is made of which column.
    first : int
        Row of the frame.
    out : int32 array of shape (n_rows_of_places, n_rows)
        Output.

    Returns
    -------
    bool
        Whether all was well; False where a column points outside of its dictionary.
    """
    n = out.shape[1]
    wide, table = np.empty(n, np.int64), np.empty(n, np.int32)
    for h in range(hows.size):
        how = hows[h]
        to, column = out[how.to], where[how.column]
        if how.mode == INTEGER:
            _integers(how, column, first, wide, to)
            continue
        if column.kind == ENTRIES and how.mode == KNOWN:
            _find_all(how, column, first, to)
            continue
        if column.kind == ENTRIES:
            for i in range(n):
                to[i] = _place(how, column, first + i)
            continue
        whole_numbers(column, first, wide)
        small = column.size <= n  # then each text of the dictionary is looked at once
        if small:
            for k in range(column.size):
                table[k] = _place(how, column, k)
        valid, bit, marked, size = column.valid, column.first + first, column.marked, np.uint64(column.size)
        missing = how.missing
        for i in range(n):
            k = wide[i]
            if is_null(valid, bit + i) or (k < 0 and marked):
                to[i] = missing
            elif np.uint64(k) >= size:
                return False
            else:
                to[i] = table[k] if small else _place(how, column, k)
    return True


@kernel()
def write_calendars(where: np.ndarray, parts: np.ndarray, first: int, out: np.ndarray) -> None:
    """Write the feature indices of hours and weekdays; `parts` are a PARTS array, all else is as for `find_places`."""
    n = out.shape[1]
    ticks, gone = np.empty(n, np.int64), np.empty(n, np.bool_)
    for p in range(parts.size):
        part = parts[p]
        column, hour, weekday = where[part.column], part.hour, part.weekday
        whole_numbers(column, first, ticks)
        for i in range(n):
            null = is_null(column.valid, column.first + first + i)
            gone[i] = null or (column.marked and ticks[i] == ABSENT)
            ticks[i] = 0 if gone[i] else ticks[i]
        calendar(ticks, part.day, hour, weekday, out[part.to :])
        behind = part.to + 1 if hour >= 0 else part.to
        for i in range(n):
            if gone[i] and hour >= 0:
                out[part.to, i] = hour + 24
            if gone[i] and weekday >= 0:
                out[behind, i] = weekday + 7
