"""Where plain values lie in a file: the pages of column chunks whose bytes are the numbers themselves."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from scalable.data.footers import Footer
from scalable.kernels import files

_PHYSICAL = {
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.int32(): "INT32",
    pa.uint32(): "INT32",
    pa.int64(): "INT64",
    pa.uint64(): "INT64",
}
Pages = NDArray[np.int64]
_NONE: Pages = np.empty((0, 3), np.int64)


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
    known: dict[str, tuple[int, Pages]] = field(default_factory=dict)

    def pages(self, descriptor: int, name: str, stop: int) -> Pages:
        """Return the pages of a column up to the row before `stop`; none when any is not plain.

        Returns
        -------
        int64 array of shape (n_pages, 3)
            First row, row after the last, place of the first value in the file.
        """
        stop = min(stop, self.first + self.n_rows)
        reached, found = self.known.get(name, (-1, _NONE))
        if reached < stop:
            chunk = self.chunks.get(name)
            found = _NONE if chunk is None else self._walk(descriptor, chunk, stop)
            self.known[name] = (stop, found)
        return found

    def _walk(self, descriptor: int, chunk: Chunk, stop: int) -> Pages:
        room, n = 32, files.NO_ROOM
        while n == files.NO_ROOM:
            room *= 2
            found = np.empty((room, 3), np.int64)
            n = files.walk(
                descriptor,
                chunk.offset,
                chunk.stop,
                chunk.nullable,
                self.first,
                self.first + self.n_rows,
                stop,
                found,
            )
        return found[:n].copy() if n > 0 else _NONE


def group_layout(footer: Footer, schema: pa.Schema, group: int) -> GroupLayout:
    """Return what is plain in a row group of a file."""
    return _layout(footer.path, footer.size, footer.modified_ns, schema, group)


def groups_of(footer: Footer, schema: pa.Schema, start: int, stop: int) -> list[GroupLayout]:
    """Return what is plain in the row groups that hold rows ``[start, stop)``."""
    groups, end = [], 0
    for group, size in enumerate(footer.row_groups):
        if size and end < stop and end + size > start:
            groups.append(group_layout(footer, schema, group))
        end += size
    return groups


@functools.lru_cache(8)
def file_metadata(path: str, size: int, modified_ns: int) -> tuple[pq.FileMetaData, list[int]]:
    """Return the footer of a file and the first row of each row group, with the number of rows at the end."""
    metadata = pq.read_metadata(path)
    rows = (metadata.row_group(i).num_rows for i in range(metadata.num_row_groups))
    return metadata, list(accumulate(rows, initial=0))


@functools.lru_cache(512)
def _layout(path: str, size: int, modified_ns: int, schema: pa.Schema, group: int) -> GroupLayout:
    metadata, starts = file_metadata(path, size, modified_ns)
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
