"""Finding Parquet files and reading their footers: most bad input is caught here."""

from __future__ import annotations

import os
import zlib
from array import array
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from scalable.data.footer_check import BYTE_STREAM_SPLIT, damaged, read_tables
from scalable.errors import DataError
from scalable.storage.files import Version, arrow_input, store_of

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


@dataclass(frozen=True, slots=True)
class Footer:
    """What is known of a file before any of its data is read."""

    path: str
    version: Version
    row_groups: tuple[int, ...]
    byte_stream_split: bool

    @property
    def n_rows(self) -> int:
        """Number of rows in the file."""
        return sum(self.row_groups)

    def __reduce__(self) -> tuple[Any, ...]:
        # with the absolute path: a worker on a cluster has another working directory
        packed = zlib.compress(array("q", self.row_groups).tobytes())  # thousands of equal sizes, usually
        path = store_of(self.path).absolute(self.path)
        return _unpack, (path, self.version, packed, self.byte_stream_split)


def _unpack(path: str, version: Version, packed: bytes, byte_stream_split: bool) -> Footer:
    row_groups = tuple(array("q", zlib.decompress(packed)))
    return Footer(path, version, row_groups, byte_stream_split)


def find_files(paths: Paths) -> list[str]:
    """Return the Parquet files behind a file, a directory, a glob or a list of those.

    Raises
    ------
    DataError
        When a path does not exist or no Parquet file is found.
    """
    if isinstance(paths, (str, os.PathLike)):
        return _expand(os.fspath(paths))
    found = [file for path in paths for file in _expand(os.fspath(path))]
    if not found:
        raise DataError("no Parquet files: the list of paths is empty")
    return found


def _expand(path: str) -> list[str]:
    try:
        files = store_of(path).list_files(path, ".parquet")
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file or directory, and no file matches it as a glob") from error
    if not files:
        raise DataError(f"{path}: the directory holds no *.parquet file")
    return files


def read_footers(files: Sequence[str]) -> tuple[list[Footer], pa.Schema]:
    """Read all footers; the schemas must agree in names and types.

    Returns
    -------
    footers : list of Footer
        One per file, in order.
    schema : pyarrow.Schema
        The common schema.

    Raises
    ------
    DataError
        When a file is not Parquet, is truncated, or differs in schema from the first one.
    """
    with ThreadPoolExecutor(min(16, len(files))) as pool:
        read = list(pool.map(_read_footer, files))
    first = read[0][1]
    for file, (_, schema) in zip(files, read, strict=True):
        _check_same(files[0], first, file, schema)
    return [footer for footer, _ in read], first


def _read_footer(path: str) -> tuple[Footer, pa.Schema]:
    try:
        version = store_of(path).version(path)
        tables = read_tables(path, version.size)
        schema = pq.read_schema(arrow_input(path))
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            reason = error.strerror or _first_line(error)
            raise DataError(
                f"{path}: cannot be read ({reason}); check the path and its permissions"
            ) from error
        raise damaged(path, _first_line(error)) from error
    split = bool((tables.chunks["encodings"][:1] & BYTE_STREAM_SPLIT).any())
    return Footer(path, version, tuple(tables.rows.tolist()), split), schema.remove_metadata()


def _check_same(first_file: str, first: pa.Schema, file: str, schema: pa.Schema) -> None:
    for field in first:
        position = schema.get_field_index(field.name)
        if position < 0:
            raise DataError(f"{file}: column {field.name!r} is missing, but {first_file} has it; {_REWRITE}")
        found = schema.field(position).type
        if found != field.type:
            raise DataError(
                f"{file}: column {field.name!r} is {found}, but {field.type} in {first_file}; {_REWRITE}"
            )
    for name in schema.names:
        if first.get_field_index(name) < 0:
            raise DataError(f"{file}: column {name!r} is not in {first_file}; {_REWRITE}")


_REWRITE = "write the files with one schema, or pass only those that agree"


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
