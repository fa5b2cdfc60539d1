"""Where the pages of column chunks lie that are uncompressed but not plain, and what is in their dictionaries."""

from __future__ import annotations

import functools
import json
import os
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt
from numpy.typing import NDArray

from scalable.data.columns import column_kind
from scalable.data.footers import Footer
from scalable.data.readers.layout import RowGroup, group_numbers, row_group
from scalable.kernels.parquet import coded, coded_pages, files, pages
from scalable.kernels.parquet.texts import split_texts
from scalable.storage.files import Version

_ENCODINGS = {"PLAIN", "RLE", "BIT_PACKED", "RLE_DICTIONARY", "PLAIN_DICTIONARY", "DELTA_BINARY_PACKED"}
_SOURCE_BYTES = {"INT32": 4, "INT64": 8, "FLOAT": 4, "DOUBLE": 8, "BOOLEAN": 1, "BYTE_ARRAY": 0}
_UNITS = {"s": "", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_FORMS = {
    pages.PLAIN: coded.PLAIN,
    pages.PLAIN_DICTIONARY: coded.LOOKED_UP,
    pages.RLE_DICTIONARY: coded.LOOKED_UP,
    pages.DELTA_BINARY_PACKED: coded.DELTAS,
}


@dataclass(frozen=True, slots=True)
class CodedColumn:
    """The pages of a column within a row group, decoded by `scalable.kernels.parquet.coded`.

    Attributes
    ----------
    pages : int64 array of shape (n_pages, 5)
        See `scalable.kernels.parquet.coded.decode_columns`.
    form, source_bytes : int
        How values are kept, and bytes of a plain one.
    values : array of shape (n_values,) or None
        The dictionary of numbers, as wide as results.
    texts : pyarrow.StringArray or None
        The dictionary of text.
    """

    pages: NDArray[np.int64]
    form: int
    source_bytes: int
    values: NDArray[np.generic] | None
    texts: pa.Array | None

    @property
    def table_size(self) -> int:
        """Entries of the dictionary."""
        table = self.values if self.texts is None else self.texts
        return 0 if table is None else len(table)


@dataclass(frozen=True, slots=True)
class CodedChunk:
    """A column chunk whose pages may be decodable."""

    begin: int
    end: int
    nullable: bool
    physical: str
    kind: pa.DataType


@dataclass(frozen=True)
class CodedGroup:
    """The candidates of one row group, and what was found of them so far."""

    group: RowGroup
    schema: pa.Schema
    known: dict[str, tuple[int, CodedColumn | None]] = field(default_factory=dict)

    def column(self, descriptor: int, name: str, stop: int) -> CodedColumn | None:
        """Return the pages of a column up to the row before `stop`; None when they are not decodable."""
        stop = min(stop, self.group.last)
        reached, found = self.known.get(name, (-1, None))
        if reached < stop:
            chunk = self._chunk(name)
            found = None if chunk is None else self._find(descriptor, chunk, stop)
            self.known[name] = (stop if found is not None else self.group.last, found)
        return found

    def _chunk(self, name: str) -> CodedChunk | None:
        described = self.group.column(name)
        kind = self.schema.field(name).type
        if described is None or not _decodable(kind, described[1]):
            return None
        column, shape = described
        if (
            column.compression != "UNCOMPRESSED"
            or not _ENCODINGS.issuperset(column.encodings)
            or shape.max_repetition_level > 0
            or shape.max_definition_level > 1
        ):
            return None
        begin = column.dictionary_page_offset if column.has_dictionary_page else column.data_page_offset
        nullable = shape.max_definition_level == 1
        return CodedChunk(begin, begin + column.total_compressed_size, nullable, column.physical_type, kind)

    def _find(self, descriptor: int, chunk: CodedChunk, stop: int) -> CodedColumn | None:
        room, n, shape = 16, files.NO_ROOM, np.empty(coded_pages.N_SHAPE, np.int64)
        while n == files.NO_ROOM:
            room *= 2
            found = np.empty((room, coded.PAGE_FIELDS), np.int64)
            n = coded_pages.walk_coded(
                descriptor, chunk.begin, chunk.end, chunk.nullable, self.group.first, self.group.last, stop,
                found, shape,
            )  # fmt: skip
        form = _FORMS.get(int(shape[coded_pages.ENCODING]))
        if n <= 0 or form is None:
            return None
        if chunk.physical == "BOOLEAN":
            form = coded.BITS if form == coded.PLAIN else None
        elif form == coded.DELTAS:
            form = form if chunk.physical in ("INT32", "INT64") else None
        values = texts = None
        if form == coded.LOOKED_UP:
            offset, size, count = (int(v) for v in shape[coded_pages.DICTIONARY_OFFSET :])
            if not offset:
                return None
            raw = os.pread(descriptor, size, offset)
            if chunk.physical == "BYTE_ARRAY":
                form, texts = coded.CODES, _texts(raw, count)
            else:
                values = _values(raw, count, chunk)
            if texts is None and values is None:
                return None
        elif chunk.physical == "BYTE_ARRAY":
            form = None
        if form is None:
            return None
        return CodedColumn(found[:n].copy(), form, _SOURCE_BYTES[chunk.physical], values, texts)


def _texts(raw: bytes, count: int) -> pa.Array | None:
    """Return the texts of a dictionary page; None when it is damaged."""
    starts, content = np.empty(count + 1, np.int32), np.empty(max(1, len(raw)), np.uint8)
    if split_texts(np.frombuffer(raw, np.uint8), starts, content) < 0:
        return None
    return pa.StringArray.from_buffers(count, pa.py_buffer(starts), pa.py_buffer(content))


def _values(raw: bytes, count: int, chunk: CodedChunk) -> NDArray[np.generic] | None:
    source = {"INT32": np.int32, "INT64": np.int64, "FLOAT": np.uint32, "DOUBLE": np.uint64}.get(
        chunk.physical
    )
    if source is None or len(raw) < count * np.dtype(source).itemsize:
        return None
    unsigned = np.dtype(f"u{result_bytes(chunk.kind)}")
    return np.frombuffer(raw, source, count).astype(unsigned)  # narrower integers are the low bits


def result_bytes(kind: pa.DataType) -> int:
    """Return the bytes that a decoded value of a type takes; bits become bytes."""
    return max(1, int(kind.bit_width) // 8)


def coded_groups(footer: Footer, schema: pa.Schema, start: int, stop: int) -> list[CodedGroup]:
    """Return the row groups that hold rows ``[start, stop)``."""
    return [
        _group(footer.path, footer.version, schema, group) for group in group_numbers(footer, start, stop)
    ]


@functools.lru_cache(512)
def _group(path: str, version: Version, schema: pa.Schema, group: int) -> CodedGroup:
    return CodedGroup(row_group(path, version, group), schema)


def _decodable(kind: pa.DataType, shape: pq.ColumnSchema) -> bool:
    """Return whether the values in the file are those of the Arrow type, at their own or a smaller width."""
    physical = shape.physical_type
    if column_kind(kind) == "text":
        return bool(physical == "BYTE_ARRAY")
    if pt.is_boolean(kind):
        return bool(physical == "BOOLEAN")
    if pt.is_timestamp(kind):
        stored = json.loads(shape.logical_type.to_json())
        return bool(physical == "INT64" and stored.get("timeUnit") == _UNITS[kind.unit])
    if pt.is_integer(kind):
        wide = kind.bit_width == 64
        return bool(physical == ("INT64" if wide else "INT32"))
    if pt.is_date32(kind):
        return bool(physical == "INT32")
    return bool(
        (pt.is_float32(kind) and physical == "FLOAT") or (pt.is_float64(kind) and physical == "DOUBLE")
    )
