"""Where plain values lie in a file: the pages of column chunks whose bytes are the numbers themselves."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from scalable.data.footers import Footer
from scalable.kernels.parquet import files
from scalable.storage.files import Version, arrow_input

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
class RowGroup:
    """A row group of a file; its columns are looked up one by one, for there may be many.

    Attributes
    ----------
    first, n_rows : int
        First row, and how many.
    metadata : pyarrow.parquet.RowGroupMetaData
        What the footer says of it.
    columns : mapping of str to (int, pyarrow.parquet.ColumnSchema)
        Place and shape of each column that is not nested.
    """

    first: int
    n_rows: int
    metadata: pq.RowGroupMetaData
    columns: Mapping[str, tuple[int, pq.ColumnSchema]]

    @property
    def last(self) -> int:
        """The row after its last."""
        return self.first + self.n_rows

    def column(self, name: str) -> tuple[pq.ColumnChunkMetaData, pq.ColumnSchema] | None:
        """Return what the footer says of a column's chunk, and its shape; None for one of another name."""
        found = self.columns.get(name)
        return None if found is None else (self.metadata.column(found[0]), found[1])


@dataclass(frozen=True)
class GroupLayout:
    """The plain pages of one row group that were asked for so far."""

    group: RowGroup
    schema: pa.Schema
    known: dict[str, tuple[int, Pages]] = field(default_factory=dict)

    def pages(self, descriptor: int, name: str, stop: int) -> Pages:
        """Return the pages of a column up to the row before `stop`; none when any is not plain.

        Returns
        -------
        int64 array of shape (n_pages, 3)
            First row, row after the last, place of the first value in the file.
        """
        stop = min(stop, self.group.last)
        reached, found = self.known.get(name, (-1, _NONE))
        if reached < stop:
            chunk = self._chunk(name)
            found = _NONE if chunk is None else self._walk(descriptor, chunk, stop)
            self.known[name] = (stop, found)
        return found

    def _chunk(self, name: str) -> Chunk | None:
        described = self.group.column(name)
        if described is None:
            return None
        column, shape = described
        if (
            _PHYSICAL.get(self.schema.field(name).type) != column.physical_type
            or shape.max_repetition_level > 0
            or shape.max_definition_level > 1
            or column.compression != "UNCOMPRESSED"
            or column.has_dictionary_page
            or "PLAIN" not in column.encodings
            or (shape.max_definition_level == 1 and not _all_there(column))
        ):
            return None
        begin = column.data_page_offset
        return Chunk(begin, begin + column.total_compressed_size, shape.max_definition_level == 1)

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
                self.group.first,
                self.group.last,
                stop,
                found,
            )
        return found[:n].copy() if n > 0 else _NONE


def groups_of(footer: Footer, schema: pa.Schema, start: int, stop: int) -> list[GroupLayout]:
    """Return what is plain in the row groups that hold rows ``[start, stop)``."""
    return [
        _layout(footer.path, footer.version, schema, group) for group in group_numbers(footer, start, stop)
    ]


def group_numbers(footer: Footer, start: int, stop: int) -> Iterator[int]:
    """Yield which row groups hold rows ``[start, stop)``."""
    end = 0
    for group, size in enumerate(footer.row_groups):
        if size and end < stop and end + size > start:
            yield group
        end += size


@functools.lru_cache(8)
def file_metadata(path: str, version: Version) -> tuple[pq.FileMetaData, list[int]]:
    """Return the footer of a file and the first row of each row group, with the number of rows at the end."""
    metadata = pq.read_metadata(arrow_input(path))
    rows = (metadata.row_group(i).num_rows for i in range(metadata.num_row_groups))
    return metadata, list(accumulate(rows, initial=0))


@functools.lru_cache(8)
def column_places(path: str, version: Version) -> dict[str, tuple[int, pq.ColumnSchema]]:
    """Return place and shape of each column of a file, nested ones left out."""
    schema = file_metadata(path, version)[0].schema
    shapes = [schema.column(i) for i in range(len(schema))]
    return {shape.name: (i, shape) for i, shape in enumerate(shapes) if shape.name == shape.path}


@functools.lru_cache(512)
def row_group(path: str, version: Version, group: int) -> RowGroup:
    """Return a row group of a file."""
    metadata, starts = file_metadata(path, version)
    columns = column_places(path, version)
    return RowGroup(starts[group], starts[group + 1] - starts[group], metadata.row_group(group), columns)


@functools.lru_cache(512)
def _layout(path: str, version: Version, schema: pa.Schema, group: int) -> GroupLayout:
    return GroupLayout(row_group(path, version, group), schema)


def _all_there(column: pq.ColumnChunkMetaData) -> bool:
    """Return whether a chunk may have no nulls; its pages tell where statistics do not."""
    counted = column.is_stats_set and column.statistics.has_null_count
    return not counted or column.statistics.null_count == 0
