"""Where the pages of column chunks lie in a file, and whether they are what the footer promises.

Every column that is read is walked from page header to page header, whoever decodes it afterwards: general readers
pass over pages that they do not know, and hand over fewer values than there are rows.
"""

from __future__ import annotations

import functools
import json
import os
import threading
import zlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from scalable.data.footer_check import FooterTables, chunk_begin, read_tables
from scalable.data.footers import Footer, check_unchanged
from scalable.errors import DataError
from scalable.kernels.parquet import codecs, coded, page_walk, pages
from scalable.storage.files import Version, arrow_input

BOOLEAN, INT32, INT64, INT96, FLOAT, DOUBLE, BYTE_ARRAY, FIXED_BYTES = range(8)  # physical types
_BITS = (1, 32, 64, 96, 32, 64, 0, 0)
_PLAIN = {
    pa.float32(): FLOAT,
    pa.float64(): DOUBLE,
    pa.int32(): INT32,
    pa.uint32(): INT32,
    pa.int64(): INT64,
    pa.uint64(): INT64,
}
# Of the row groups that were read last; what is known of one, dictionaries and all, may be megabytes.
KEPT_ROWS, KEPT_GROUPS, FEW_GROUPS = 2**22, 512, 8
_PLACES = [coded.FIRST, coded.STOP, page_walk.VALUES_AT]


@dataclass(frozen=True, slots=True)
class ColumnShape:
    """What a file's schema says of a column. pyarrow's own object would keep the whole footer in memory.

    Attributes
    ----------
    place : int
        Of its chunk within a row group.
    nullable : bool
    physical, unit : str
        Type in the file, and the unit of times; empty for others.
    """

    place: int
    nullable: bool
    physical: str
    unit: str


class ColumnPages:
    """The pages of a column within a row group, as far as they were walked.

    Attributes
    ----------
    table : int64 array of shape (n_pages, 12)
        See `scalable.kernels.parquet.page_walk.walk_chunk`.
    chunk : int64 array of shape (6,)
        The dictionary page, likewise.
    physical : int
        Type in the file.
    codec : int
        Compression.
    places : int64 array of shape (n_pages, 3) or None
        First row, row after the last and place of the first value, where values are plain and none is null.
    memo : dict
        What was made of the pages, for whoever made it.
    """

    def __init__(self, table: NDArray[np.int64], chunk: NDArray[np.int64], physical: int, codec: int) -> None:
        self.table, self.chunk, self.physical, self.codec = table, chunk, physical, codec
        plain = (table[:, page_walk.ENCODING] == pages.PLAIN) & (table[:, page_walk.VALUES_AT] >= 0)
        self.places = table[:, _PLACES] if self.uncompressed and plain.all() else None
        self.memo: dict[Any, Any] = {}

    @property
    def uncompressed(self) -> bool:
        """Whether the bytes in the file are those of the values."""
        return self.codec == codecs.UNCOMPRESSED

    def plain(self, kind: pa.DataType) -> bool:
        """Return whether the bytes in the file are values of a type, and none is null."""
        return self.places is not None and _PLAIN.get(kind) == self.physical


@dataclass(frozen=True)
class RowGroup:
    """A row group of a file, and the pages of it that were asked for so far.

    Attributes
    ----------
    path : str
        The file.
    number, first, n_rows : int
        Which row group, its first row, and how many.
    chunks : array of shape (n_columns,), `scalable.kernels.parquet.footer.CHUNK`
        What the footer says of its column chunks.
    columns : mapping of str to ColumnShape
        Of each column that is not nested.
    known : dict
        For each column, the row up to which its pages were walked, and the pages.
    """

    path: str
    number: int
    first: int
    n_rows: int
    chunks: NDArray[np.void]
    columns: Mapping[str, ColumnShape]
    known: dict[str, tuple[int, ColumnPages]] = field(default_factory=dict)

    @property
    def last(self) -> int:
        """The row after its last."""
        return self.first + self.n_rows

    def bytes_of(self, name: str) -> tuple[int, int] | None:
        """Return where the chunk of a column begins and ends in the file; None for one of another name."""
        if name not in self.columns:
            return None
        chunk = self.chunks[self.columns[name].place]
        begin = chunk_begin(int(chunk["dictionary_page"]), int(chunk["data_page"]))
        return begin, begin + int(chunk["stored_bytes"])

    def pages(self, descriptor: int, name: str, stop: int) -> ColumnPages | None:
        """Return the pages of a column up to the row before `stop`; None where it is nested.

        Raises
        ------
        DataError
            When they do not hold the values that the footer promises.
        """
        stop = min(stop, self.last)
        reached, found = self.known.get(name, (-1, None))
        if found is None or reached < stop:
            # Twice as far as the last time: pieces of a large row group, one after another, walk it a few times.
            stop = min(self.last, max(stop, 2 * reached - self.first))
            place = self.bytes_of(name)
            if place is None:
                return None
            found = self._walk(descriptor, name, place, stop, len(found.table) if found else 0)
            self.known[name] = (stop, found)
        return found

    def _walk(
        self, descriptor: int, name: str, place: tuple[int, int], stop: int, checked: int
    ) -> ColumnPages:
        shape = self.columns[name]
        physical, codec = (int(self.chunks[shape.place][key]) for key in ("physical", "codec"))
        room, n, about = 16 + 2 * checked, page_walk.NO_ROOM, np.empty(page_walk.CHUNK_FIELDS, np.int64)
        while n == page_walk.NO_ROOM:
            room *= 2
            table = np.empty((room, page_walk.PAGE_FIELDS), np.int64)
            n = page_walk.walk_chunk(
                descriptor, *place, shape.nullable, codec, physical, _BITS[physical],
                self.first, self.last, stop, table, about,
            )  # fmt: skip
        if n < 0:
            raise self._damaged(
                name, int(about[page_walk.DAMAGED_AT]), "does not hold the values that it should"
            )
        table = table[:n].copy()
        found = ColumnPages(table, about, physical, codec)
        sums = table[checked:, [coded.OFFSET, coded.SIZE, page_walk.CRC]].tolist()
        if not checked:
            sums.append(
                about[
                    [page_walk.DICTIONARY_AT, page_walk.DICTIONARY_BYTES, page_walk.DICTIONARY_CRC]
                ].tolist()
            )
        for at, size, checksum in sums:
            if checksum >= 0 and zlib.crc32(os.pread(descriptor, size, at)) != checksum:
                raise self._damaged(name, at, "does not have the checksum that was written with it")
        return found

    def _damaged(self, name: str, at: int, reason: str) -> DataError:
        return DataError(
            f"{self.path}: row group {self.number}, column {name!r}: the page at {at:,} {reason}; the file is damaged "
            "or changed while it was read: write it again"
        )


def old_times(footer: Footer, names: Sequence[str]) -> list[str]:
    """Return which columns are times of 96 bits, which only pyarrow reads beyond the years of nanoseconds."""
    places = column_places(footer.path, footer.version)
    return [name for name in names if name in places and places[name].physical == "INT96"]


def text_of_pages(footer: Footer, names: Sequence[str], groups: Sequence[int]) -> list[str]:
    """Return which text columns pyarrow hands over as dictionaries: none with differences of texts in its pages."""
    metadata, places = (
        file_metadata(footer.path, footer.version)[0],
        column_places(footer.path, footer.version),
    )

    def differences(name: str) -> bool:
        chunks = (metadata.row_group(group).column(places[name].place) for group in groups)
        return any("DELTA" in encoding for chunk in chunks for encoding in chunk.encodings)

    return [name for name in names if name in places and not differences(name)]


def row_groups(footer: Footer, start: int, stop: int) -> list[RowGroup]:
    """Return the row groups that hold rows ``[start, stop)``."""
    return [_row_group(footer.path, footer.version, group) for group in _numbers_of(footer, start, stop)]


def _numbers_of(footer: Footer, start: int, stop: int) -> Iterator[int]:
    end = 0
    for group, size in enumerate(footer.row_groups):
        if size and end < stop and end + size > start:
            yield group
        end += size


@functools.lru_cache(8)
def file_metadata(path: str, version: Version) -> tuple[pq.FileMetaData, FooterTables, NDArray[np.int64]]:
    """Return the footer of a file, what it says in numbers, and the row after the last of each row group."""
    check_unchanged(path, version)
    tables = read_tables(path, version)
    return pq.read_metadata(arrow_input(path, version)), tables, np.cumsum(tables.rows)


@functools.lru_cache(8)
def column_places(path: str, version: Version) -> dict[str, ColumnShape]:
    """Return the shape of each column of a file, nested ones left out."""
    schema = file_metadata(path, version)[0].schema
    found = {}
    for place in range(len(schema)):
        shape = schema.column(place)
        if shape.name == shape.path and shape.max_repetition_level == 0:
            physical = str(shape.physical_type)
            logical = json.loads(shape.logical_type.to_json()) if physical == "INT64" else {}
            found[shape.name] = ColumnShape(
                place,
                shape.max_definition_level == 1,
                physical,
                str(logical.get("timeUnit", "")),
            )
    return found


_lock = threading.Lock()
_groups: OrderedDict[tuple[str, Version, int], RowGroup] = OrderedDict()  # those used last at the end


def _row_group(path: str, version: Version, group: int) -> RowGroup:
    key = (path, version, group)
    with _lock:
        found = _groups.get(key)
        if found is not None:
            _groups.move_to_end(key)
            return found
    _, tables, ends = file_metadata(path, version)
    rows = int(tables.rows[group])
    chunks, columns = tables.chunks[group].copy(), column_places(path, version)
    found = RowGroup(path, group, int(ends[group]) - rows, rows, chunks, columns)
    with _lock:
        found = _groups.setdefault(key, found)
        _groups.move_to_end(key)
        left = sum(each.n_rows for each in _groups.values())
        while len(_groups) > FEW_GROUPS and (left > KEPT_ROWS or len(_groups) > KEPT_GROUPS):
            left -= _groups.popitem(last=False)[1].n_rows
    return found
