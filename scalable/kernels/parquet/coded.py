"""Columns decoded from their pages in one native call: compressed values, dictionaries, differences, bits, nulls.

Page by page, which are small: what is unpacked of one is still in the near cache when it is stored.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from scalable.kernels.copying import copy_values
from scalable.kernels.jit import kernel
from scalable.kernels.memory import as_pointer, load_u32, load_u64, store_u64
from scalable.kernels.parquet.bits import expand_bits, pack_bits
from scalable.kernels.parquet.codecs import (
    SNAPPY,
    UNCOMPRESSED,
    ZSTD,
    decompress_lz4,
    decompress_snappy,
    memcpy,
)
from scalable.kernels.parquet.deltas import decode_deltas
from scalable.kernels.parquet.files import read_bytes
from scalable.kernels.parquet.pages import PREFIXED, REQUIRED, all_ones, decode_levels
from scalable.kernels.parquet.runs import PADDING, decode_runs
from scalable.kernels.parquet.zstd import decompress_zstd

# Places in the description of a page.
FIRST, STOP, OFFSET, SIZE, LEVELS, WHOLE, CODEC, FORM, ADDRESS = range(9)
PAGE_FIELDS = 9
# Places in the description of a column.
BEGIN, END, SOURCE_BYTES, BYTES, TABLE, TABLE_SIZE, OUT, VALID, KEPT, KEPT_PAGE = range(10)
COLUMN_FIELDS = 10
PLAIN, CODES, LOOKED_UP, DELTAS, BITS = range(5)  # forms
CONTEXT_BYTES = 8
_FRONT = 16  # most bytes of levels for whose place values in front are put aside


@kernel(inline=True)
def _place(values: np.ndarray, valid: np.ndarray, spread: bool, out: np.ndarray) -> None:
    """Write the values that are there to the rows that have one; what others get does not matter."""
    if spread:
        k = 0
        for i in range(out.size):
            out[i] = values[k]
            k += valid[i]
    else:
        for i in range(out.size):
            out[i] = values[i]


@kernel(inline=True)
def _place_looked_up(
    codes: np.ndarray, table: np.ndarray, valid: np.ndarray, spread: bool, out: np.ndarray
) -> None:
    if spread:
        k = 0
        for i in range(out.size):
            out[i] = table[codes[k]]
            k += valid[i]
    else:
        for i in range(out.size):
            out[i] = table[codes[i]]


@kernel()
def _store_values(values: np.ndarray, valid: np.ndarray, spread: bool, width: int, to: int, n: int) -> None:
    if width == 1:
        _place(values, valid, spread, carray(as_pointer(np.uintp(to)), (n,), np.uint8))
    elif width == 2:
        _place(values, valid, spread, carray(as_pointer(np.uintp(to)), (n,), np.uint16))
    elif width == 4:
        _place(values, valid, spread, carray(as_pointer(np.uintp(to)), (n,), np.uint32))
    else:
        _place(values, valid, spread, carray(as_pointer(np.uintp(to)), (n,), np.uint64))


@kernel()
def _store_looked_up(
    codes: np.ndarray, table: int, size: int, valid: np.ndarray, spread: bool, width: int, to: int, n: int
) -> None:
    place, source = as_pointer(np.uintp(to)), as_pointer(np.uintp(table))
    if width == 1:
        _place_looked_up(
            codes, carray(source, (size,), np.uint8), valid, spread, carray(place, (n,), np.uint8)
        )
    elif width == 2:
        _place_looked_up(
            codes, carray(source, (size,), np.uint16), valid, spread, carray(place, (n,), np.uint16)
        )
    elif width == 4:
        _place_looked_up(
            codes, carray(source, (size,), np.uint32), valid, spread, carray(place, (n,), np.uint32)
        )
    else:
        _place_looked_up(
            codes, carray(source, (size,), np.uint64), valid, spread, carray(place, (n,), np.uint64)
        )


@kernel()
def _decode_indices(
    buffer: np.ndarray, at: int, end: int, skip: int, n: int, size: int, codes: np.ndarray
) -> bool:
    """Decode dictionary indices, and the width in front of them; False also where one is beyond the dictionary."""
    if at >= end or not decode_runs(buffer, at + 1, end, np.int64(buffer[at]), skip, n, codes):
        return n == 0
    largest = np.uint32(0)
    for i in range(n):
        largest = max(largest, codes[i])
    return n == 0 or bool(np.int64(largest) < size)


@kernel()
def decode_page(
    buffer: np.ndarray,
    at: int,
    end: int,
    column: np.ndarray,
    form: int,
    before: int,
    n: int,
    rows: int,
    valid: np.ndarray,
    to: int,
    codes: np.ndarray,
    words: np.ndarray,
    some: np.ndarray,
) -> bool:
    """Decode `n` values, behind `before` others of the page, to the `rows` rows at address `to`."""
    width, source = column[BYTES], column[SOURCE_BYTES]
    spread = n < rows
    if n == 0:
        carray(as_pointer(np.uintp(to)), (rows * width,), np.uint8)[:] = 0
        return True
    if form in (CODES, LOOKED_UP):
        if not _decode_indices(buffer, at, end, before, n, column[TABLE_SIZE], codes):
            return False
        codes[n] = 0  # read, not used, for nulls at the end
        if form == CODES:
            _store_values(codes, valid, spread, width, to, rows)
        else:
            _store_looked_up(codes, column[TABLE], column[TABLE_SIZE], valid, spread, width, to, rows)
        return True
    if form == DELTAS:
        if not decode_deltas(buffer, at, end, 8 * source, before, n, some, words):
            return False
        _store_values(words, valid, spread, width, to, rows)
        return True
    if form == BITS:
        if before + n > 8 * (end - at):
            return False
        expand_bits(buffer, at, before, before + n, codes)
        _store_values(codes, valid, spread, width, to, rows)
        return True
    if (before + n) * source > end - at:
        return False
    first = as_pointer(np.uintp(buffer.ctypes.data + at + before * source))
    if source == 4:  # one more than there are: the padding
        _store_values(carray(first, (n + 1,), np.uint32), valid, spread, width, to, rows)
    else:
        _store_values(carray(first, (n + 1,), np.uint64), valid, spread, width, to, rows)
    return True


@kernel()
def load_page(descriptor: int, page: np.ndarray, stored: np.ndarray, to: int) -> bool:
    """Bring a page to memory at address `to`, decompressed; levels in front of it are never compressed.

    `stored` is as of `decode_columns`.
    """
    whole, size, levels = page[WHOLE], page[SIZE], max(np.int64(0), page[LEVELS])
    if page[ADDRESS]:
        memcpy(np.uintp(to), np.uintp(page[ADDRESS]), np.uintp(whole))
        return True
    if page[CODEC] == UNCOMPRESSED:
        return bool(read_bytes(descriptor, page[OFFSET], to, size))
    source = np.int64(stored.ctypes.data)
    if not read_bytes(descriptor, page[OFFSET], source, size):
        return False
    memcpy(np.uintp(to), np.uintp(source), np.uintp(levels))
    if whole == levels:
        return True
    if page[CODEC] == SNAPPY:
        return bool(decompress_snappy(source + levels, size - levels, to + levels, whole - levels))
    if page[CODEC] == ZSTD:
        context = np.int64(load_u64(np.uintp(source + stored.size - CONTEXT_BYTES)))
        return bool(decompress_zstd(context, source + levels, size - levels, to + levels, whole - levels))
    return bool(decompress_lz4(source + levels, size - levels, to + levels, whole - levels))


@kernel()
def _load_in_place(
    descriptor: int, page: np.ndarray, stored: np.ndarray, to: int, front: int, rows: int
) -> Any:
    """Bring a page's values straight to address `to`, `front` bytes of levels before them, where others' values are.

    Returns 1; 0 where levels do not say that all values are there, so that others must decode them; -1 where it
    cannot be read.
    """
    if not front:
        return np.int64(1) if load_page(descriptor, page, stored, to) else np.int64(-1)
    aside = load_u64(np.uintp(to - 16)), load_u64(np.uintp(to - 8))
    read = load_page(descriptor, page, stored, to - front)
    prefix = np.int64(4) if page[LEVELS] == PREFIXED else np.int64(0)
    known = np.int64(load_u32(np.uintp(to - front))) if prefix else page[LEVELS]
    levels = carray(as_pointer(np.uintp(to - front + prefix)), (max(np.int64(0), front - prefix),), np.uint8)
    full = known == levels.size and all_ones(levels, rows)
    store_u64(np.uintp(to - 16), aside[0])
    store_u64(np.uintp(to - 8), aside[1])
    return np.int64(full) if read else np.int64(-1)


@kernel(inline=True)
def first_page(pages: np.ndarray, begin: int, end: int, row: int) -> int:
    """Return the first page that ends after a row."""
    low, high = begin, end
    while low < high:
        middle = (low + high) // 2
        if pages[middle, STOP] <= row:
            low = middle + 1
        else:
            high = middle
    return int(low)


@kernel()
def decode_columns(
    descriptor: int,
    pages: np.ndarray,
    columns: np.ndarray,
    row: int,
    n_rows: int,
    buffer: np.ndarray,
    stored: np.ndarray,
    valid: np.ndarray,
    present: np.ndarray,
    codes: np.ndarray,
    words: np.ndarray,
    some: np.ndarray,
    counts: np.ndarray,
) -> int:
    """Decode rows of several columns.

    Parameters
    ----------
    descriptor : int
        Open file.
    pages : array of shape (n_pages, >= 9), int64
        Of all columns: first row, row after the last, place and size in the file, bytes of definition levels
        (`REQUIRED`, `PREFIXED`, or their number: these are never compressed), size decompressed, codec, form of the
        values, and where the page lies decompressed in memory, or 0.
    columns : array of shape (n_columns, 10), int64
        First page and page after the last; bytes of a plain value and of a result; address and length of the
        dictionary's values, as wide as results (`CODES` needs the length alone); address of the results; address of
        their validity bitmap; address of room for a page that the next call goes on with, or 0; which page lies there,
        changed here.
    row, n_rows : int
        First row, and how many.
    buffer : array of uint8
        Work space for the largest page decompressed and `scalable.kernels.parquet.runs.PADDING`.
    stored : array of uint8
        Work space for the largest page in the file; in the last `CONTEXT_BYTES` the address of a
        `scalable.kernels.parquet.zstd.Context`, where pages are compressed so.
    valid, present : arrays of uint8
        Work space for the rows of the largest page, and for `n_rows`.
    codes, words : arrays of uint32, uint64
        Work space for the rows of the largest page and one.
    some : array of uint64
        Work space of `decode_deltas`.
    counts : array of shape (n_columns, 2), int64
        Output: how many rows are null, and how many rows the pages have that were opened; the bitmap of a column
        without nulls is not written.

    Returns
    -------
    int
        -1, or the number of the first page that cannot be read or decoded.
    """
    last = row + n_rows
    for c in range(columns.shape[0]):
        column = columns[c]
        nulls, opened = np.int64(0), np.int64(0)
        for p in range(first_page(pages, column[BEGIN], column[END], row), column[END]):
            first, whole, levels, form = pages[p, FIRST], pages[p, WHOLE], pages[p, LEVELS], pages[p, FORM]
            start, stop = max(first, row), min(pages[p, STOP], last)
            if start >= stop:
                break
            to = column[OUT] + (start - row) * column[BYTES]
            front = whole - (stop - start) * column[BYTES]  # bytes of levels, of a whole page without nulls
            data = np.int64(buffer.ctypes.data)
            if column[KEPT] and column[KEPT_PAGE] == p:
                data = column[KEPT]
            else:
                if not pages[p, ADDRESS]:  # others are opened by who put them there
                    opened += pages[p, STOP] - first
                if column[KEPT] and pages[p, STOP] > last:
                    data, column[KEPT_PAGE] = column[KEPT], p
                elif (
                    form == PLAIN
                    and column[BYTES] == column[SOURCE_BYTES]
                    and stop - start == pages[p, STOP] - first
                    and (front == 0 if levels == REQUIRED else 0 < front <= _FRONT <= to - column[OUT])
                ):
                    placed = _load_in_place(descriptor, pages[p], stored, to, front, stop - start)
                    if placed < 0:
                        return p
                    if placed and nulls:
                        present[start - row : stop - row] = 1
                    if placed:
                        continue
                if not load_page(descriptor, pages[p], stored, data):
                    return p
            page = carray(as_pointer(np.uintp(data)), (whole + PADDING,), np.uint8)
            at, before, n = np.int64(0), start - first, stop - start
            if levels != REQUIRED:
                at, full = decode_levels(page, levels, whole, pages[p, STOP] - first, stop - first, valid)
                if at < 0:
                    return p
                if not full:
                    before, n = 0, 0
                    for i in range(start - first):
                        before += valid[i]
                    for i in range(start - first, stop - first):
                        n += valid[i]
            missing = stop - start - n
            if missing and not nulls:
                present[: start - row] = 1
            nulls += missing
            if nulls:
                if missing:
                    copy_values(valid[start - first : stop - first], present[start - row : stop - row])
                else:
                    present[start - row : stop - row] = 1
            if not decode_page(
                page, at, whole, column, form, before, n, stop - start, valid[start - first :], to, codes, words, some
            ):  # fmt: skip
                return p
        counts[c, 0], counts[c, 1] = nulls, opened
        if nulls:
            pack_bits(
                present, n_rows, carray(as_pointer(np.uintp(column[VALID])), ((n_rows + 7) // 8,), np.uint8)
            )
    return -1
