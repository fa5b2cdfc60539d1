"""Where the pages of column chunks lie that are not the values themselves, and what is in their dictionaries."""

from __future__ import annotations

import functools
import os
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from numpy.typing import NDArray

from scalable.data.columns import column_kind
from scalable.data.readers.compressed import decompressed
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
from scalable.kernels.parquet import coded, page_walk, pages
from scalable.kernels.parquet.texts import split_texts

_SOURCE_BYTES = {INT32: 4, INT64: 8, FLOAT: 4, DOUBLE: 8, BOOLEAN: 1, BYTE_ARRAY: 0}
_NUMBERS = (INT32, INT64, FLOAT, DOUBLE)
_SOURCES = {INT32: np.int32, INT64: np.int64, FLOAT: np.uint32, DOUBLE: np.uint64}
_UNITS = {"s": "", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
UNREAD = -1
_FORMS = np.full(16, UNREAD)  # by encoding
_FORMS[[pages.PLAIN, pages.PLAIN_DICTIONARY, pages.RLE_DICTIONARY, pages.DELTA_BINARY_PACKED]] = (
    coded.PLAIN,
    coded.LOOKED_UP,
    coded.LOOKED_UP,
    coded.DELTAS,
)


@dataclass(frozen=True, slots=True)
class CodedColumn:
    """The pages of a column within a row group, decoded by `scalable.kernels.parquet.coded`.

    Attributes
    ----------
    pages : int64 array of shape (n_pages, >= 9)
        See `scalable.kernels.parquet.coded.decode_columns`.
    source_bytes : int
        Bytes of a plain value.
    values : array of shape (n_values,) or None
        The dictionary of numbers, as wide as results.
    texts : pyarrow.StringArray or None
        The dictionary of text.
    """

    pages: NDArray[np.int64]
    source_bytes: int
    values: NDArray[np.generic] | None
    texts: pa.Array | None

    @property
    def table_size(self) -> int:
        """Entries of the dictionary."""
        table = self.values if self.texts is None else self.texts
        return 0 if table is None else len(table)


def decoded_by_us(
    group: RowGroup, descriptor: int, name: str, kind: pa.DataType, codecs: Collection[int]
) -> CodedColumn | None:
    """Return the pages of a column of a row group as far as they were walked; None when others must decode them.

    Others decode columns of other codecs than `codecs`.
    """
    found = group.walked(name)
    if found is None or found.codec not in codecs or not len(found.table):
        return None
    if kind not in found.memo:
        found.memo[kind] = _decoded_by_us(found, descriptor, kind, group.columns[name])
    coded_column: CodedColumn | None = found.memo[kind]
    return coded_column


def _decoded_by_us(
    found: ColumnPages, descriptor: int, kind: pa.DataType, shape: ColumnShape
) -> CodedColumn | None:
    if not found.chunk[page_walk.DECODABLE] or not _decodable(kind, shape):
        return None
    if (
        found.chunk[page_walk.ALL_PLAIN] and found.physical in _NUMBERS
    ):  # most are: `FORM` is that of plain ones
        return CodedColumn(found.table, _SOURCE_BYTES[found.physical], None, None)
    forms = _FORMS[found.table[:, page_walk.ENCODING]]
    looked_up = forms == coded.LOOKED_UP
    if (forms == UNREAD).any():
        return None
    if found.physical == BOOLEAN:
        if (forms != coded.PLAIN).any():
            return None
        forms = np.full_like(forms, coded.BITS)
    elif found.physical not in (INT32, INT64) and (forms == coded.DELTAS).any():
        return None
    values = texts = None
    if looked_up.any():
        offset, size, count = (int(v) for v in found.chunk[: page_walk.DICTIONARY_VALUES + 1])
        if not offset:
            return None
        stored = os.pread(descriptor, size, offset)
        raw = decompressed(stored, found.codec, int(found.chunk[page_walk.DICTIONARY_WHOLE])).tobytes()
        if found.physical != BYTE_ARRAY:
            values = _values(raw, count, found.physical, kind)
        elif looked_up.all():
            forms, texts = np.full_like(forms, coded.CODES), _texts(raw, count)
        if texts is None and values is None:
            return None
    elif found.physical == BYTE_ARRAY:
        return None
    table = found.table.copy()
    table[:, coded.FORM] = forms
    return CodedColumn(table, _SOURCE_BYTES[found.physical], values, texts)


def _texts(raw: bytes, count: int) -> pa.Array | None:
    """Return the texts of a dictionary page; None when it is damaged."""
    starts, content = np.empty(count + 1, np.int32), np.empty(max(1, len(raw)), np.uint8)
    if split_texts(np.frombuffer(raw, np.uint8), starts, content) < 0:
        return None
    return pa.StringArray.from_buffers(count, pa.py_buffer(starts), pa.py_buffer(content))


def _values(raw: bytes, count: int, physical: int, kind: pa.DataType) -> NDArray[np.generic] | None:
    source = _SOURCES.get(physical)
    if source is None or len(raw) < count * np.dtype(source).itemsize:
        return None
    unsigned = np.dtype(f"u{result_bytes(kind)}")
    return np.frombuffer(raw, source, count).astype(unsigned)  # narrower integers are the low bits


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
