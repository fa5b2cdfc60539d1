"""Where the pages of a column chunk lie, from one header to the next: checked before anybody decodes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.jit import kernel
from scalable.kernels.parquet import coded, pages, thrift
from scalable.kernels.parquet.codecs import LZ4_RAW, SNAPPY, UNCOMPRESSED
from scalable.kernels.parquet.files import pread

# Places in the description of a page; those of `coded` come first.
VALUES_AT, ENCODING, CRC = range(coded.PAGE_FIELDS, coded.PAGE_FIELDS + 3)
PAGE_FIELDS = coded.PAGE_FIELDS + 3
# Of a chunk. The last four are 1 where all its pages are of plain values, none of these is null as far as is known
# without decompressing them, `coded` decodes what they are made of, and where some refer to the dictionary.
(
    DICTIONARY_AT, DICTIONARY_BYTES, DICTIONARY_VALUES, DICTIONARY_CRC, DAMAGED_AT, DICTIONARY_WHOLE, ALL_PLAIN,
    ALL_THERE, DECODABLE, LOOKED_UP,
) = range(10)  # fmt: skip
CHUNK_FIELDS = 10
MOST_TIMES = 2**16  # bytes that a byte can become; more is a lie, for which no room is made
DAMAGED, NO_ROOM = -1, -2
# Encodings that each physical type may have, as bits; that of the levels is for truths alone.
_BOTH = 1 << pages.PLAIN | 1 << pages.PLAIN_DICTIONARY | 1 << pages.RLE_DICTIONARY
_SPLIT = 1 << 9
_KNOWN = np.array(
    [
        1 << pages.PLAIN | 1 << pages.RLE,
        _BOTH | 1 << pages.DELTA_BINARY_PACKED | _SPLIT,
        _BOTH | 1 << pages.DELTA_BINARY_PACKED | _SPLIT,
        _BOTH,
        _BOTH | _SPLIT,
        _BOTH | _SPLIT,
        _BOTH | 1 << 6 | 1 << 7,
        _BOTH | 1 << 7 | _SPLIT,
    ]
)
_BYTE_ARRAY = 6  # the physical type
# How `coded` decodes an encoding of a physical type, or -1. A text is looked up or not read at all.
_UNREAD = -1
_FORMS = np.full((8, 16), _UNREAD)
_NUMBERS = (1, 2, 4, 5)
_FORMS[_NUMBERS, pages.PLAIN] = coded.PLAIN
for _encoding in (pages.PLAIN_DICTIONARY, pages.RLE_DICTIONARY):
    _FORMS[_NUMBERS, _encoding], _FORMS[_BYTE_ARRAY, _encoding] = coded.LOOKED_UP, coded.CODES
_FORMS[[1, 2], pages.DELTA_BINARY_PACKED] = coded.DELTAS
_FORMS[0, pages.PLAIN] = coded.BITS
_HEADER_BYTES, _LARGEST_HEADER = 512, 2**24  # statistics may be long


@kernel()
def _read_header(descriptor: int, at: int, end: int, buffer: np.ndarray, head: np.ndarray) -> int:
    """Read a page header, which lies before `end`; return its length, or -1."""
    while True:
        wanted = min(end - at, buffer.size)
        if wanted <= 0:
            return DAMAGED
        got = pread(np.int32(descriptor), np.uintp(buffer.ctypes.data), np.uintp(wanted), at)
        if got <= 0:
            return DAMAGED
        length = pages.parse_header(buffer[:got], head)
        if length >= 0 or got < buffer.size or buffer.size >= _LARGEST_HEADER:
            return int(length)
        buffer = np.empty(min(_LARGEST_HEADER, 64 * buffer.size), np.uint8)


@kernel()
def _levels_of(
    descriptor: int, at: int, head: np.ndarray, nullable: bool, buffer: np.ndarray
) -> tuple[int, int]:
    """Return how the definition levels of an uncompressed page are kept, and where values begin if none is null.

    The place is -1 where a value may be null; the first result is `pages.NO_LEVELS` where they and the size contradict.
    """
    size, values = head[pages.STORED_BYTES], head[pages.VALUES]
    second = head[pages.KIND] == pages.DATA_PAGE_V2
    if not nullable:
        return pages.REQUIRED, at + (head[pages.LEVEL_BYTES] if second else 0)
    got = pread(
        np.int32(descriptor), np.uintp(buffer.ctypes.data), np.uintp(min(size, np.int64(_HEADER_BYTES))), at
    )
    begin, length = 0, head[pages.LEVEL_BYTES]
    if not second:
        if got < 4:
            return pages.NO_LEVELS, -1
        begin = 4
        length = np.int64(
            np.uint64(buffer[0])
            | np.uint64(buffer[1]) << np.uint64(8)
            | np.uint64(buffer[2]) << np.uint64(16)
            | np.uint64(buffer[3]) << np.uint64(24)
        )
        if length > size - 4:
            return pages.NO_LEVELS, -1
    known = got >= begin + length and head[pages.NULLS] <= 0
    whole = known and pages.all_ones(buffer[begin : begin + length], values)
    return length if second else pages.PREFIXED, at + begin + length if whole else -1


@kernel()
def _snappy_agrees(descriptor: int, at: int, head: np.ndarray, buffer: np.ndarray) -> bool:
    """Return whether a compressed page begins with the number of bytes that its header says it has."""
    second = head[pages.KIND] == pages.DATA_PAGE_V2
    if second and head[pages.PLAIN_BYTES] == head[pages.STORED_BYTES]:
        return True  # such a page may be left as it is
    levels = head[pages.LEVEL_BYTES] if second else 0
    wanted = min(np.int64(10), head[pages.STORED_BYTES] - levels)
    if wanted <= 0 or levels < 0:
        return bool(levels == head[pages.PLAIN_BYTES])
    got = pread(np.int32(descriptor), np.uintp(buffer.ctypes.data), np.uintp(wanted), at + levels)
    length, after = thrift.varint(buffer[: max(got, 0)], 0)
    return bool(after >= 0 and length == head[pages.PLAIN_BYTES] - levels)


@kernel()
def walk_chunk(
    descriptor: int,
    begin: int,
    end: int,
    nullable: bool,
    codec: int,
    physical: int,
    width: int,
    first: int,
    last: int,
    stop: int,
    found: np.ndarray,
    chunk: np.ndarray,
) -> int:
    """Find the pages of a column chunk.

    Parameters
    ----------
    descriptor : int
        Open file.
    begin, end : int
        Where the chunk is in the file, its dictionary included.
    nullable : bool
        Whether pages have definition levels.
    codec, physical : int
        Compression and type of the chunk.
    width : int
        Bits of a plain value; 0 where they vary.
    first, last : int
        First row of the chunk and the row after its last.
    stop : int
        The row after the last one wanted.
    found : array of shape (room, 12), int64
        Output: see `scalable.kernels.parquet.coded.decode_columns`; then place of the values in the file, or -1 where
        some may be null or they are compressed; encoding; checksum, or -1.
    chunk : array of shape (10,), int64
        Output: place, bytes, values and checksum of the dictionary page (0 without); where the page lies that is
        damaged; bytes of the dictionary page decompressed; what all pages are, see `ALL_PLAIN`.

    Returns
    -------
    int
        Number of data pages; -1 where they are not what chunk and headers say, -2 when `found` is too small.
    """
    header, few = np.empty(_HEADER_BYTES, np.uint8), np.empty(_HEADER_BYTES, np.uint8)
    head = np.empty(pages.N_FIELDS, np.int64)
    chunk[:] = 0
    chunk[DICTIONARY_CRC] = pages.UNKNOWN
    chunk[ALL_PLAIN] = chunk[ALL_THERE] = chunk[DECODABLE] = 1
    row, at, n = first, begin, 0
    while row < stop:
        if n == found.shape[0]:
            return NO_ROOM
        chunk[DAMAGED_AT] = at
        length = _read_header(descriptor, at, end, header, head)
        size, values, kind = head[pages.STORED_BYTES], head[pages.VALUES], head[pages.KIND]
        at += length
        if length < 0 or size < 0 or size > end - at or values < 0 or head[pages.PLAIN_BYTES] < 0:
            return DAMAGED
        if codec == UNCOMPRESSED and head[pages.PLAIN_BYTES] != size:
            return DAMAGED
        if codec == SNAPPY and size > 0 and not _snappy_agrees(descriptor, at, head, few):
            return DAMAGED
        if kind == pages.DICTIONARY_PAGE:
            plain = head[pages.ENCODING] in (pages.PLAIN, pages.PLAIN_DICTIONARY)
            least = 32 if physical == _BYTE_ARRAY else width  # bits a value: of a text, those of its length
            if n or chunk[DICTIONARY_AT] or not plain or values * least > 8 * head[pages.PLAIN_BYTES]:
                return DAMAGED
            chunk[DICTIONARY_AT], chunk[DICTIONARY_BYTES], chunk[DICTIONARY_VALUES] = at, size, values
            chunk[DICTIONARY_CRC], chunk[DICTIONARY_WHOLE] = head[pages.CRC], head[pages.PLAIN_BYTES]
            at += size
            continue
        missing = max(np.int64(0), head[pages.NULLS])
        encoding = head[pages.ENCODING]
        if not 0 <= encoding < 16 or not _KNOWN[physical] >> encoding & 1:
            return DAMAGED
        coded_values = encoding in (pages.PLAIN_DICTIONARY, pages.RLE_DICTIONARY)
        if coded_values and not chunk[DICTIONARY_AT]:
            return DAMAGED
        if values > last - row or missing > values or not 0 <= head[pages.LEVEL_BYTES] <= size:
            return DAMAGED
        whole, page_codec = head[pages.PLAIN_BYTES], codec
        if kind == pages.DATA_PAGE_V2 and not head[pages.COMPRESSED]:
            page_codec = UNCOMPRESSED
            if whole != size:
                return DAMAGED
        if head[pages.LEVEL_BYTES] > whole:
            return DAMAGED
        levels: Any = np.int64(pages.REQUIRED)
        values_at = -1
        if nullable and head[pages.LEVEL_ENCODING] != pages.RLE:
            if head[pages.LEVEL_ENCODING] != pages.BIT_PACKED:
                return DAMAGED
            levels = pages.UNUSUAL
        elif codec == UNCOMPRESSED:
            levels, values_at = _levels_of(descriptor, at, head, nullable, few)
            room = 8 * (at + size - values_at)
            if levels == pages.NO_LEVELS:
                return DAMAGED
            if values_at >= 0 and encoding == pages.PLAIN and values * width > room:
                return DAMAGED
        elif nullable:
            second = kind == pages.DATA_PAGE_V2
            levels = head[pages.LEVEL_BYTES] if second else np.int64(pages.PREFIXED)
        elif head[pages.LEVEL_BYTES]:
            levels = np.int64(pages.UNUSUAL)
        elif (
            codec == LZ4_RAW
            and encoding == pages.PLAIN
            and width > 1
            and 8 * head[pages.PLAIN_BYTES] != values * width
        ):
            return DAMAGED  # polars fills up what is missing
        found[n, coded.FIRST], found[n, coded.STOP] = row, row + values
        found[n, coded.OFFSET], found[n, coded.SIZE], found[n, coded.LEVELS] = at, size, levels
        found[n, coded.WHOLE], found[n, coded.CODEC] = whole, page_codec
        form = _FORMS[physical, encoding]
        found[n, coded.FORM], found[n, coded.ADDRESS] = form, 0
        found[n, VALUES_AT], found[n, ENCODING], found[n, CRC] = (
            values_at,
            encoding,
            head[pages.CRC],
        )
        if values:
            n += 1
            if encoding != pages.PLAIN:
                chunk[ALL_PLAIN] = 0
            if values_at < 0:
                chunk[ALL_THERE] = 0
            if coded_values:
                chunk[LOOKED_UP] = 1
            if form == _UNREAD or levels == pages.UNUSUAL or whole > MOST_TIMES * size + MOST_TIMES:
                chunk[DECODABLE] = 0
        row += values
        at += size
    return n


@kernel()
def walk_chunks(
    descriptor: int,
    asked: np.ndarray,
    first: int,
    last: int,
    stop: int,
    found: np.ndarray,
    ends: np.ndarray,
    chunks: np.ndarray,
) -> int:
    """Find the pages of several column chunks of a row group, one chunk after another.

    A call for each, from Python, would give the interpreter's lock away and wait for it as often.

    Parameters
    ----------
    asked : array of shape (n, 6), int64
        Of each chunk `begin`, `end`, `nullable`, `codec`, `physical` and `width`, see `walk_chunk`.
    descriptor, first, last, stop
        See `walk_chunk`.
    found : array of shape (room, 12), int64
        Output, as of `walk_chunk`.
    ends : array of shape (n,), int64
        Output: the row of `found` after the last of each chunk.
    chunks : array of shape (n, 10), int64
        Output, as of `walk_chunk`.

    Returns
    -------
    int
        How many chunks are what they should be, up to the first that is not; -2 when `found` is too small.
    """
    n = np.int64(0)
    for c in range(asked.shape[0]):
        here = asked[c]
        begin, end, nullable, codec, physical, width = here[0], here[1], here[2], here[3], here[4], here[5]
        more = walk_chunk(
            descriptor,
            begin,
            end,
            nullable != 0,
            codec,
            physical,
            width,
            first,
            last,
            stop,
            found[n:],
            chunks[c],
        )
        if more == NO_ROOM:
            return NO_ROOM
        if more < 0:
            return c
        n += more
        ends[c] = n
    return int(asked.shape[0])
