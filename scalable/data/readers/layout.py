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
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from scalable.data.footer_check import FooterTables, chunk_begin, read_tables
from scalable.data.footers import Footer, check_unchanged
from scalable.errors import DataError
from scalable.kernels.parquet import coded, page_walk
from scalable.storage.files import Version, arrow_input, is_local

BOOLEAN, INT32, INT64, INT96, FLOAT, DOUBLE, BYTE_ARRAY, FIXED_BYTES = range(8)  # physical types
_BITS = np.array([1, 32, 64, 96, 32, 64, 0, 0])
_PLAIN = {
    kind.id: physical
    for kind, physical in (
        (pa.float32(), FLOAT), (pa.float64(), DOUBLE), (pa.int32(), INT32), (pa.uint32(), INT32), (pa.int64(), INT64),
        (pa.uint64(), INT64),
    )
}  # fmt: skip
OBJECT_BYTES = 1000  # of what is known of a column's pages beside the numbers, in objects of Python; measured
# Of row groups (pages 50 KB, dictionaries perhaps megabytes): 20 million rows fill it, and are walked once only.
KEPT_BYTES_OF_GROUPS, KEPT_GROUPS, FEW_GROUPS = 2**23, 512, 8
KEPT_BYTES, KEPT_FILES, FEW_FILES = 2**22, 512, 8  # of footers, in numbers
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
    chunk : list of int
        The dictionary page, and what all pages are, likewise.
    physical : int
        Type in the file.
    codec : int
        Compression.
    places : int64 array of shape (n_pages, 3) or None
        First row, row after the last and place of the first value, where values are plain and none is null.
    """

    def __init__(
        self,
        table: NDArray[np.int64],
        chunk: list[int],
        physical: int,
        codec: int,
        places: NDArray[np.int64] | None,
    ) -> None:
        self.table, self.chunk, self.physical, self.codec = table, chunk, physical, codec
        self.places = places

    def plain(self, kind: pa.DataType) -> bool:
        """Return whether the bytes in the file are values of a type, and none is null."""
        return self.places is not None and _PLAIN.get(kind.id) == self.physical


_UNKNOWN: tuple[int, ColumnPages | None] = (-1, None)


@dataclass(eq=False)
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
    dictionaries : dict
        Of columns, by name and type, what their pages refer to, for whoever loaded it.
    n_bytes : int
        Of pages and dictionaries.
    """

    path: str
    number: int
    first: int
    n_rows: int
    chunks: NDArray[np.void]
    columns: Mapping[str, ColumnShape]
    known: dict[str, tuple[int, ColumnPages]] = field(default_factory=dict)
    dictionaries: dict[tuple[str, pa.DataType], Any] = field(default_factory=dict)
    n_bytes: int = 0

    @property
    def last(self) -> int:
        """The row after its last."""
        return self.first + self.n_rows

    @functools.cached_property
    def _spans(self) -> NDArray[np.int64]:
        """Where each chunk begins and ends in the file."""
        begin = chunk_begin(self.chunks["dictionary_page"], self.chunks["data_page"])
        return np.column_stack([begin, begin + self.chunks["stored_bytes"]])

    def spans(self, names: Collection[str]) -> NDArray[np.int64]:
        """Return where the chunks of those columns that are there begin and end in the file, shape (n, 2)."""
        return self._spans[[self.columns[name].place for name in names if name in self.columns]]

    def pages(self, descriptor: int, name: str, stop: int) -> ColumnPages | None:
        """Return the pages of a column up to the row before `stop`; None where it is nested. See `walk`."""
        self.walk(descriptor, [name], stop)
        return self.walked(name)

    def walked(self, name: str) -> ColumnPages | None:
        """Return the pages of a column that was walked; None where it is nested."""
        return self.known.get(name, _UNKNOWN)[1]

    def walk(self, descriptor: int, names: Sequence[str], stop: int) -> None:
        """Come to know the pages of columns up to the row before `stop`, as far as they are not known.

        Raises
        ------
        DataError
            When they do not hold the values that the footer promises.
        """
        stop = min(stop, self.last)
        names = [name for name in names if self.known.get(name, _UNKNOWN)[0] < stop and name in self.columns]
        if not names:
            return
        before = [self.known.get(name, _UNKNOWN) for name in names]
        # Twice as far as the last time: pieces of a large row group, one after another, walk it a few times.
        stop = min(self.last, max(stop, *(2 * reached - self.first for reached, _ in before)))
        checked = [len(pages.table) if pages else 0 for _, pages in before]
        asked = self._asked(names)
        room, n = 16 * len(names) + 2 * sum(checked), page_walk.NO_ROOM
        ends = np.empty(len(names), np.int64)
        chunks = np.empty((len(names), page_walk.CHUNK_FIELDS), np.int64)
        while n == page_walk.NO_ROOM:
            room *= 2
            table = np.empty((room, page_walk.PAGE_FIELDS), np.int64)
            n = page_walk.walk_chunks(descriptor, asked, self.first, self.last, stop, table, ends, chunks)
        if n < len(names):
            at = int(chunks[n, page_walk.DAMAGED_AT])
            raise self._damaged(names[n], at, "does not hold the values that it should")
        table = table[: ends[-1]].copy()
        summed = max(table[:, page_walk.CRC].max(initial=-1), chunks[:, page_walk.DICTIONARY_CRC].max()) >= 0
        # Of all columns at once: a microsecond each, for each row group, is what threads wait for each other.
        places = table[:, _PLACES]
        page_bytes = (table.nbytes + places.nbytes) // max(1, len(table))
        plain = np.logical_and(*chunks[:, [page_walk.ALL_PLAIN, page_walk.ALL_THERE]].T).tolist()
        stops = [*table[:, coded.STOP].tolist(), 0]  # the last page may go on behind the last row asked for
        (codecs, physicals), abouts, begin = asked[:, 3:5].T.tolist(), chunks.tolist(), 0
        for k, (name, end) in enumerate(zip(names, ends.tolist(), strict=True)):
            here = places[begin:end] if plain[k] else None
            found = ColumnPages(table[begin:end], abouts[k], physicals[k], codecs[k], here)
            if summed:
                self._check_sums(descriptor, name, found, checked[k])
            with _lock:  # who walked less far, and was slower, must not take away what another relies on
                reached, gone = self.known.get(name, _UNKNOWN)
                if reached < stop:
                    self.known[name] = (max(stop, stops[end - 1]), found)
                    more = end - begin - (len(gone.table) if gone else 0)
                    self.n_bytes += page_bytes * more + (0 if gone else OBJECT_BYTES)
            begin = end
        _let_go()  # whoever fetches ahead has met all groups before they grew

    def keep(self, name: str, kind: pa.DataType, dictionary: Any, n_bytes: int) -> None:
        """Remember the dictionary of a column for others who read it as a type."""
        self.n_bytes += n_bytes
        self.dictionaries[name, kind] = dictionary
        _let_go()

    def _asked(self, names: Sequence[str]) -> NDArray[np.int64]:
        """Return what `page_walk.walk_chunks` is asked of columns."""
        shapes = [self.columns[name] for name in names]
        places, nullable = [shape.place for shape in shapes], [shape.nullable for shape in shapes]
        physical, codec = (self.chunks[key][places] for key in ("physical", "codec"))
        return np.column_stack([self.spans(names), nullable, codec, physical, _BITS[physical]])

    def _check_sums(self, descriptor: int, name: str, found: ColumnPages, checked: int) -> None:
        """Compare the checksums of pages, from number `checked` on, and of their dictionary with what they hold."""
        sums = found.table[checked:, [coded.OFFSET, coded.SIZE, page_walk.CRC]].tolist()
        if not checked:
            places = [page_walk.DICTIONARY_AT, page_walk.DICTIONARY_BYTES, page_walk.DICTIONARY_CRC]
            sums.append([found.chunk[place] for place in places])
        for at, size, checksum in sums:
            if checksum >= 0 and zlib.crc32(os.pread(descriptor, size, at)) != checksum:
                raise self._damaged(name, at, "does not have the checksum that was written with it")

    def _damaged(self, name: str, at: int, reason: str) -> DataError:
        return DataError(
            f"{self.path}: row group {self.number}, column {name!r}: the page at {at:,} {reason}; the file is damaged "
            "or changed while it was read: write it again"
        )


def row_groups(footer: Footer, start: int, stop: int) -> list[RowGroup]:
    """Return the row groups that hold rows ``[start, stop)``."""
    return [_row_group(footer.path, footer.version, group) for group in _numbers_of(footer, start, stop)]


def _numbers_of(footer: Footer, start: int, stop: int) -> Iterator[int]:
    end = 0
    for group, size in enumerate(footer.row_groups):
        if size and end < stop and end + size > start:
            yield group
        end += size


@dataclass(frozen=True, slots=True)
class FileLayout:
    """What is known of a file's row groups: kilobytes, kept from pass to pass.

    Attributes
    ----------
    tables : FooterTables
        What its footer says, in numbers.
    ends : int64 array of shape (n_groups,)
        The row after the last of each row group.
    columns : dict of str to ColumnShape
        Nested ones are left out.
    """

    tables: FooterTables
    ends: NDArray[np.int64]
    columns: dict[str, ColumnShape]


def file_layout(path: str, version: Version) -> FileLayout:
    """Return where the row groups of a file lie and the shapes of its columns."""
    key = (path, version)
    with _lock:
        found = _layouts.get(key)
        if found is not None:
            _layouts.move_to_end(key)
            return found
    tables = _tables(path, version)
    found = FileLayout(tables, np.cumsum(tables.rows), _shapes(path, version, tables.schema))
    with _lock:
        found = _layouts.setdefault(key, found)
        _layouts.move_to_end(key)
        left = sum(each.tables.chunks.nbytes for each in _layouts.values())
        while len(_layouts) > FEW_FILES and (left > KEPT_BYTES or len(_layouts) > KEPT_FILES):
            left -= _layouts.popitem(last=False)[1].tables.chunks.nbytes
    return found


@functools.lru_cache(8)
def file_metadata(path: str, version: Version) -> pq.FileMetaData:
    """Return the footer of a file as pyarrow takes it."""
    _tables(path, version)
    return pq.read_metadata(arrow_input(path, version))


def _tables(path: str, version: Version) -> FooterTables:
    """Return what a footer says, once it has been checked."""
    if is_local(path):  # a store tells with every answer that it is of this version
        check_unchanged(path, version)
    return read_tables(path, version)


def _shapes(path: str, version: Version, like: bytes) -> dict[str, ColumnShape]:
    """Return the shapes of a file's columns, those of another file whose footer says the same of them.

    pyarrow's schema and footer hold each other: both wait for the collector, a megabyte of 64 row groups a file.
    """
    if (known := _known_shapes.get(like)) is not None:
        return known
    schema, found = pq.read_metadata(arrow_input(path, version)).schema, dict[str, ColumnShape]()
    for place, shape in enumerate(map(schema.column, range(len(schema)))):
        if shape.name == shape.path and shape.max_repetition_level == 0:
            physical = str(shape.physical_type)
            logical = json.loads(shape.logical_type.to_json()) if physical == "INT64" else {}
            nullable = shape.max_definition_level == 1
            found[shape.name] = ColumnShape(place, nullable, physical, str(logical.get("timeUnit", "")))
    with _lock:
        if len(_known_shapes) == FEW_FILES:
            del _known_shapes[next(iter(_known_shapes))]
        return _known_shapes.setdefault(like, found)


_lock = threading.Lock()
# Those used last at the end. An OrderedDict would hash each key anew, a microsecond, where its values are added up.
_groups: dict[tuple[str, Version, int], RowGroup] = {}
_known_shapes: dict[bytes, dict[str, ColumnShape]] = {}  # by what footers say of columns
_layouts: OrderedDict[tuple[str, Version], FileLayout] = OrderedDict()  # those used last at the end


def _row_group(path: str, version: Version, group: int) -> RowGroup:
    key = (path, version, group)
    with _lock:
        found = _groups.pop(key, None)
        if found is not None:
            _groups[key] = found
            return found
    file = file_layout(path, version)
    rows, chunks = int(file.tables.rows[group]), file.tables.chunks[group].copy()
    first = int(file.ends[group]) - rows
    found = RowGroup(path, group, first, rows, chunks, file.columns, n_bytes=chunks.nbytes)
    with _lock:
        found = _groups[key] = _groups.pop(key, found)
    _let_go()
    return found


def _let_go() -> None:
    """Forget row groups used longest ago."""
    with _lock:
        left = sum(each.n_bytes for each in _groups.values())
        while len(_groups) > FEW_GROUPS and (left > KEPT_BYTES_OF_GROUPS or len(_groups) > KEPT_GROUPS):
            left -= _groups.pop(next(iter(_groups))).n_bytes
