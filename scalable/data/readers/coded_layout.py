"""Where the pages of column chunks lie that are not the values themselves, and what is in their dictionaries."""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from numpy.typing import NDArray

from scalable.data.columns import column_kind
from scalable.data.readers.compressed import for_others, open_page, work_space
from scalable.data.readers.layout import (
    BOOLEAN,
    BYTE_ARRAY,
    DOUBLE,
    FLOAT,
    INT32,
    INT64,
    ColumnPages,
    ColumnShape,
    RowGroup,
)
from scalable.kernels.buffers import LINE
from scalable.kernels.parquet import coded, dictionaries, page_walk
from scalable.kernels.parquet.pages import REQUIRED
from scalable.kernels.parquet.runs import PADDING

_SOURCE_BYTES = {INT32: 4, INT64: 8, FLOAT: 4, DOUBLE: 8, BOOLEAN: 1, BYTE_ARRAY: 0}
_UNITS = {"s": "", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}


@dataclass(frozen=True, slots=True)
class Dictionary:
    """What the pages of a column within a row group refer to.

    Attributes
    ----------
    size : int
        Entries.
    values : array of uint8 or None
        Numbers, each as wide as results.
    texts : pyarrow.StringArray or None
        Texts.
    """

    size: int
    values: NDArray[np.uint8] | None
    texts: pa.Array | None

    @property
    def n_bytes(self) -> int:
        """Bytes in memory."""
        held: Any = self.texts if self.values is None else self.values
        return int(held.nbytes)


@dataclass(frozen=True, slots=True)
class CodedColumn:
    """The pages of a column within a row group, decoded by `scalable.kernels.parquet.coded`.

    Attributes
    ----------
    pages : int64 array of shape (n_pages, >= 9)
        See `scalable.kernels.parquet.coded.decode_columns`.
    source_bytes : int
        Bytes of a plain value.
    dictionary : Dictionary or None
        What pages refer to.
    """

    pages: NDArray[np.int64]
    source_bytes: int
    dictionary: Dictionary | None


def decoded_by_us(
    group: RowGroup,
    descriptor: int,
    names: Sequence[str],
    kinds: Sequence[pa.DataType],
    codecs: Collection[int],
) -> list[CodedColumn | None]:
    """Return the pages of columns of a row group as far as they were walked; None for each that others must decode.

    Others decode columns of other codecs than `codecs`.
    """
    columns: list[CodedColumn | None] = [None] * len(names)
    lacking: list[tuple[int, ColumnPages]] = []
    for k, (name, kind) in enumerate(zip(names, kinds, strict=True)):
        found = group.walked(name)
        if found is None or found.codec not in codecs or not len(found.table):
            continue
        if not found.chunk[page_walk.DECODABLE] or not _decodable(kind, group.columns[name]):
            continue
        dictionary = group.dictionaries.get((name, kind)) if found.chunk[page_walk.LOOKED_UP] else None
        columns[k] = CodedColumn(found.table, _SOURCE_BYTES[found.physical], dictionary)
        if dictionary is None and found.chunk[page_walk.LOOKED_UP]:
            lacking.append((k, found))
    if lacking:
        loaded = _load(descriptor, [(names[k], found, kinds[k]) for k, found in lacking])
        for (k, found), dictionary in zip(lacking, loaded, strict=True):
            if dictionary is None:
                columns[k] = None
            else:
                group.keep(names[k], kinds[k], dictionary, dictionary.n_bytes)
                columns[k] = CodedColumn(found.table, _SOURCE_BYTES[found.physical], dictionary)
    return columns


def _load(
    descriptor: int, columns: Sequence[tuple[str, ColumnPages, pa.DataType]]
) -> list[Dictionary | None]:
    """Return the dictionaries of columns, by name, pages and type; None of texts that are damaged.

    Raises
    ------
    pyarrow.ArrowInvalid
        When a page cannot be decompressed.
    """
    pages = np.zeros((len(columns), coded.PAGE_FIELDS), np.int64)
    asked = np.zeros((len(columns), dictionaries.ASKED_FIELDS), np.int64)
    room, places = 0, []
    for page, one, (_, found, kind) in zip(pages, asked, columns, strict=True):
        at, size, count, _, _, whole = found.chunk[: page_walk.DICTIONARY_WHOLE + 1]
        page[[coded.OFFSET, coded.SIZE, coded.LEVELS, coded.WHOLE, coded.CODEC]] = (
            at, size, REQUIRED, whole, found.codec,
        )  # fmt: skip
        source = _SOURCE_BYTES[found.physical]
        content, wanted = (0, whole) if source else _text_places(count, whole)
        one[: dictionaries.CONTENT + 1] = (
            count, source, result_bytes(kind) if source else 0, room, room + content,
        )  # fmt: skip
        places.append(room)
        room += -(-(wanted + PADDING) // LINE) * LINE
    space, memory = work_space(pages), np.empty(room, np.uint8)
    asked[:, [dictionaries.OUT, dictionaries.CONTENT]] += memory.ctypes.data
    held = [open_page(descriptor, pages[p]) for p in for_others(pages).tolist()]
    failed = dictionaries.load_dictionaries(descriptor, pages, asked, space.buffer, space.stored)
    del held  # `pages` has their addresses
    if failed >= 0:
        raise pa.ArrowInvalid(f"the dictionary of column {columns[failed][0]!r} is damaged")
    return [
        _dictionary(memory, at, one.tolist(), found)
        for at, one, (_, found, _) in zip(places, asked, columns, strict=True)
    ]


def _dictionary(
    memory: NDArray[np.uint8], at: int, asked: Sequence[int], found: ColumnPages
) -> Dictionary | None:
    """Return what was loaded to a place; it keeps the memory."""
    count, width = asked[dictionaries.COUNT], asked[dictionaries.BYTES]
    if width:
        return Dictionary(count, memory[at : at + count * width], None)
    if asked[dictionaries.USED] < 0:
        return None
    content, stop = _text_places(count, found.chunk[page_walk.DICTIONARY_WHOLE])
    buffer = pa.py_buffer(memory[at : at + stop])
    return Dictionary(count, None, pa.StringArray.from_buffers(count, buffer, buffer.slice(content)))


def _text_places(count: int, whole: int) -> tuple[int, int]:
    """Return how far behind the offsets of so many texts their content begins, and the bytes of both."""
    content = -(-4 * (count + 1) // 8) * 8
    return content, content + max(1, whole)


def result_bytes(kind: pa.DataType) -> int:
    """Return the bytes that a decoded value of a type takes; bits become bytes."""
    return max(1, int(kind.bit_width) // 8)


@functools.lru_cache(1024)
def _decodable(kind: pa.DataType, shape: ColumnShape) -> bool:
    """Return whether the values in the file are those of the Arrow type, at their own or a smaller width."""
    physical = shape.physical
    if column_kind(kind) == "text":
        return bool(physical == "BYTE_ARRAY")
    if pt.is_boolean(kind):
        return bool(physical == "BOOLEAN")
    if pt.is_timestamp(kind):
        return bool(physical == "INT64" and shape.unit == _UNITS[kind.unit])
    if pt.is_integer(kind):
        wide = kind.bit_width == 64
        return bool(physical == ("INT64" if wide else "INT32"))
    if pt.is_date32(kind):
        return bool(physical == "INT32")
    return bool(
        (pt.is_float32(kind) and physical == "FLOAT") or (pt.is_float64(kind) and physical == "DOUBLE")
    )
