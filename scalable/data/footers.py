"""Reading the footers of Parquet files: most bad input is caught here."""

from __future__ import annotations

import time
import zlib
from array import array
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from scalable.data.footer_check import BYTE_STREAM_SPLIT, damaged, read_tables
from scalable.data.types.pandas_metadata import with_categories
from scalable.errors import DataError
from scalable.storage.files import Version, arrow_input, is_local, store_of


@dataclass(frozen=True, slots=True)
class Footer:
    """What is known of a file before any of its data is read.

    Attributes
    ----------
    path : str
    version : Version
        Tells whether it was changed since.
    row_groups : tuple of int
        Rows of each row group.
    byte_stream_split : bool
        Whether a column of the first row group is encoded so.
    types : tuple of (str, pyarrow.DataType)
        Columns whose type is another than the dataset's.
    partition : tuple of (str, value)
        Columns that its path or its table's log holds, and their value in all rows.
    place : str
        Where a local copy of its bytes is, or of some of them; empty for files that are local.
    """

    path: str
    version: Version
    row_groups: tuple[int, ...]
    byte_stream_split: bool
    types: tuple[tuple[str, pa.DataType], ...] = ()
    partition: tuple[tuple[str, Any], ...] = ()
    place: str = ""

    @property
    def local(self) -> str:
        """Path that libraries open."""
        return self.place or self.path

    @property
    def n_rows(self) -> int:
        """Number of rows in the file."""
        return sum(self.row_groups)

    def __reduce__(self) -> tuple[Any, ...]:
        # with the absolute path: a worker on a cluster has another working directory
        packed = zlib.compress(array("q", self.row_groups).tobytes())  # thousands of equal sizes, usually
        path = store_of(self.path).absolute(self.path)
        return _unpack, (path, self.version, packed, self.byte_stream_split, self.types, self.partition)


def _unpack(path: str, version: Version, packed: bytes, *others: Any) -> Footer:
    row_groups = tuple(array("q", zlib.decompress(packed)))
    return Footer(path, version, row_groups, *others)


# A footer in the page cache takes .2 ms; threads are for stores far away: each that takes footers apart keeps memory of
# its own for it, and here waits for the interpreter most of the time.
SLOW_SECONDS = 0.001
SLICE = 16
FAR, FAR_SLICE = 64, 256  # requests at a time, and files whose ends a store keeps in any case
EXPECTED_BYTES = 2**18  # of the end of a file on a cold disk, more than most footers


def read_footers(files: Sequence[str]) -> tuple[list[Footer], list[pa.Schema]]:
    """Read all footers.

    Returns
    -------
    footers : list of Footer
        One per file, in order.
    schemas : list of pyarrow.Schema
        Their schemas, with the metadata of whoever wrote the first of those that follow each other and are equal.

    Raises
    ------
    DataError
        When a file is not Parquet, or is truncated.
    """
    found = _Footers()
    if not all(map(is_local, files)):
        with ThreadPoolExecutor(FAR) as pool:  # ends of files come side by side, and are taken apart here
            for first in range(0, len(files), FAR_SLICE):
                some = files[first : first + FAR_SLICE]
                found.add(map(_read_footer, some, pool.map(_version_with_end, some)))
    else:
        started = time.perf_counter()
        found.add(map(_read_footer, files[:SLICE]))
        if time.perf_counter() - started > SLOW_SECONDS * SLICE:
            for path in files[SLICE:]:
                _expect_footer(path)
        found.add(map(_read_footer, files[SLICE:]))
    return found.footers, found.schemas


class _Footers:
    """Footers and schemas of files; a schema like that of the file before is the same object: each takes 13 KB."""

    def __init__(self) -> None:
        self.footers: list[Footer] = []
        self.schemas: list[pa.Schema] = []

    def add(self, read: Iterable[tuple[Footer, pa.Schema]]) -> None:
        for footer, schema in read:
            last = self.schemas[-1] if self.schemas else schema
            self.footers.append(footer)
            self.schemas.append(last if schema.equals(last) else schema)


def _expect_footer(path: str) -> None:
    """Have the end of a file read into the page cache meanwhile."""
    store = store_of(path)
    with suppress(OSError):  # told by whoever reads it
        version = store.version(path)
        store.expect(path, version, (), [(max(0, version.size - EXPECTED_BYTES), version.size)])


def _version_with_end(path: str) -> Version | None:
    with suppress(OSError):  # told by whoever asks again
        return store_of(path).version_with_end(path)
    return None


def _read_footer(path: str, version: Version | None = None) -> tuple[Footer, pa.Schema]:
    try:
        version = version or store_of(path).version_with_end(path)
        tables = read_tables(path, version)
        # INT96 in nanoseconds would wrap around beyond the year 2262
        with pq.ParquetFile(arrow_input(path, version), coerce_int96_timestamp_unit="us") as opened:
            schema = opened.schema_arrow
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            reason = error.strerror or _first_line(error)
            raise DataError(
                f"{path}: cannot be read ({reason}); check the path and its permissions"
            ) from error
        if isinstance(error, pa.ArrowNotImplementedError):
            raise DataError(
                f"{path}: uses what pyarrow does not read ({_first_line(error)}); write it with other types"
            ) from error
        raise damaged(path, _first_line(error)) from error
    split = bool((tables.chunks["encodings"][:1] & BYTE_STREAM_SPLIT).any())
    return Footer(path, version, tuple(tables.rows.tolist()), split), with_categories(schema)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__


def check_unchanged(path: str, known: Version) -> None:
    """Refuse a file that is another one since its footer was read.

    Raises
    ------
    DataError
        When it is, or is gone.
    """
    try:
        now = store_of(path).version(path)
    except OSError as error:
        raise DataError(f"{path}: the file vanished after planning; restore it and resume") from error
    if now != known:
        raise DataError(f"{path}: the file changed since the run was planned; start again")
