"""Where the pages of a column chunk lie that is uncompressed, but not plain."""

from __future__ import annotations

import numpy as np

from scalable.kernels.jit import kernel
from scalable.kernels.parquet import coded, pages
from scalable.kernels.parquet.files import NO_ROOM, pread

_HEADER_BYTES = 512
UNKNOWN = -1
ENCODING, DICTIONARY_OFFSET, DICTIONARY_BYTES, DICTIONARY_VALUES = range(4)
N_SHAPE = 4


@kernel()
def walk_coded(
    descriptor: int,
    begin: int,
    end: int,
    nullable: bool,
    first: int,
    last: int,
    stop: int,
    found: np.ndarray,
    shape: np.ndarray,
) -> int:
    """Find the pages of a column chunk, from one header to the next.

    Parameters
    ----------
    descriptor : int
        Open file.
    begin, end : int
        Where the chunk is in the file, its dictionary included.
    nullable : bool
        Whether pages have definition levels.
    first, last : int
        First row of the chunk and the row after its last.
    stop : int
        The row after the last one wanted.
    found : array of shape (room, 5), int64
        Output, see `scalable.kernels.parquet.coded.decode_columns`.
    shape : array of shape (4,), int64
        Output: the one encoding of all data pages; place, bytes and values of the dictionary page (0 without).

    Returns
    -------
    int
        Number of data pages; -1 where they are of several encodings or not understood, -2 when `found` is too small.
    """
    buffer = np.empty(_HEADER_BYTES, np.uint8)
    head = np.empty(pages.N_FIELDS, np.int64)
    shape[:] = 0
    shape[ENCODING] = UNKNOWN
    row, at, n = first, begin, 0
    while row < stop:
        if n == found.shape[0]:
            return NO_ROOM
        got = pread(np.int32(descriptor), np.uintp(buffer.ctypes.data), np.uintp(buffer.size), at)
        if got <= 0:
            return UNKNOWN
        length = pages.parse_header(buffer[:got], head)
        size, values, kind = head[pages.STORED_BYTES], head[pages.VALUES], head[pages.KIND]
        at += length
        if length < 0 or size < 0 or size > end - at or values < 0:
            return UNKNOWN
        if kind == pages.DICTIONARY_PAGE:
            if n or shape[DICTIONARY_OFFSET]:
                return UNKNOWN
            shape[DICTIONARY_OFFSET], shape[DICTIONARY_BYTES], shape[DICTIONARY_VALUES] = at, size, values
            at += size
            continue
        if kind not in (pages.DATA_PAGE, pages.DATA_PAGE_V2) or values == 0 or values > last - row:
            return UNKNOWN
        if n and shape[ENCODING] != head[pages.ENCODING]:
            return UNKNOWN
        levels = coded.REQUIRED
        if kind == pages.DATA_PAGE_V2:
            levels = head[pages.LEVEL_BYTES] if nullable else coded.REQUIRED
            if head[pages.LEVEL_BYTES] > size or levels < coded.REQUIRED:
                return UNKNOWN
        elif nullable:
            levels = coded.PREFIXED
        shape[ENCODING] = head[pages.ENCODING]
        found[n, coded.FIRST], found[n, coded.STOP] = row, row + values
        found[n, coded.OFFSET], found[n, coded.SIZE], found[n, coded.LEVELS] = at, size, levels
        n += 1
        row += values
        at += size
    return n
