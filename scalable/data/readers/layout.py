"""Where plain values lie in a file: the pages of column chunks whose bytes are the numbers themselves."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from scalable.data.footers import Footer
from scalable.kernels import pages

_PHYSICAL = {
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.int32(): "INT32",
    pa.uint32(): "INT32",
    pa.int64(): "INT64",
    pa.uint64(): "INT64",
}
_PLAIN = 0
_HEADER_BYTES = 512


@dataclass(frozen=True, slots=True)
class Page:
    """Consecutive plain values of one column.

    Attributes
    ----------
    first, stop : int
        Rows of the file.
    offset : int
        Where the first value is in the file.
    """

    first: int
    stop: int
    offset: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """A column chunk that may hold plain values only."""

    offset: int
    stop: int
    nullable: bool


@dataclass(frozen=True)
class GroupLayout:
    """The plain column chunks of one row group, and those pages that were asked for."""

    first: int
    n_rows: int
    chunks: dict[str, Chunk]
    known: dict[str, tuple[Page, ...]] = field(default_factory=dict)

    def pages(self, descriptor: int, name: str) -> tuple[Page, ...]:
        """Return the pages of a column; none when any of them holds anything but plain values."""
        if name not in self.known:
            chunk = self.chunks.get(name)
            found = None if chunk is None else _walk(descriptor, chunk, self.first, self.n_rows)
            self.known[name] = found or ()
        return self.known[name]


def group_layout(footer: Footer, schema: pa.Schema, group: int) -> GroupLayout:
    """Return what is plain in a row group of a file."""
    return _layout(footer.path, footer.size, footer.modified_ns, schema, group)


@functools.lru_cache(8)
def _metadata(path: str, size: int, modified_ns: int) -> tuple[pq.FileMetaData, list[int]]:
    """Return the footer of a file and the first row of each row group, with the number of rows at the end."""
    metadata = pq.read_metadata(path)
    rows = (metadata.row_group(i).num_rows for i in range(metadata.num_row_groups))
    return metadata, list(accumulate(rows, initial=0))


@functools.lru_cache(512)
def _layout(path: str, size: int, modified_ns: int, schema: pa.Schema, group: int) -> GroupLayout:
    metadata, starts = _metadata(path, size, modified_ns)
    row_group = metadata.row_group(group)
    chunks = {}
    for i in range(metadata.num_columns):
        column, shape = row_group.column(i), metadata.schema.column(i)
        place = schema.get_field_index(column.path_in_schema)
        if (
            place >= 0
            and _PHYSICAL.get(schema.field(place).type) == column.physical_type
            and shape.max_repetition_level == 0
            and shape.max_definition_level <= 1
            and "PLAIN" in column.encodings
            and not column.has_dictionary_page
            and column.compression == "UNCOMPRESSED"
            and (shape.max_definition_level == 0 or _all_there(column))
        ):
            chunks[column.path_in_schema] = Chunk(
                column.data_page_offset,
                column.data_page_offset + column.total_compressed_size,
                shape.max_definition_level == 1,
            )
    return GroupLayout(starts[group], starts[group + 1] - starts[group], chunks)


def _all_there(column: pq.ColumnChunkMetaData) -> bool:
    """Return whether a chunk may have no nulls; its pages tell where statistics do not."""
    counted = column.is_stats_set and column.statistics.has_null_count
    return not counted or column.statistics.null_count == 0


def _walk(descriptor: int, chunk: Chunk, first: int, n_rows: int) -> tuple[Page, ...] | None:
    """Return the pages of a chunk from their headers; None when one is not plain or not full."""
    found: list[Page] = []
    buffer = np.empty(_HEADER_BYTES, np.uint8)
    head = np.empty(pages.N_FIELDS, np.int64)
    row, at = first, chunk.offset
    while row < first + n_rows:
        start = buffer[: os.preadv(descriptor, [buffer.data], at)]
        length = int(pages.parse_header(start, head))
        kind, _, stored, values, encoding, nulls, levels, _ = head.tolist()
        at += length
        if length < 0 or encoding != _PLAIN or values <= 0 or stored < 0 or at + stored > chunk.stop:
            return None
        if kind == pages.DATA_PAGE:
            skip = int(pages.skip_levels(start[length:], values)) if chunk.nullable else 0
        else:
            skip = levels if kind == pages.DATA_PAGE_V2 and not nulls else -1
        if skip < 0:
            return None
        found.append(Page(row, row + values, at + skip))
        row += values
        at += stored
    return tuple(found) if row == first + n_rows else None
