"""Check a dataset on disk: schema, counts, checksums, and recomputed values."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data_gen.manifest import FileEntry, Manifest, read, recipe_of
from data_gen.values.random import Stream
from data_gen.writing import arrow
from scalable.kernels.processors import available_processors
from scalable.storage.files import arrow_input, sha256_of, store_of

_SAMPLE = 1 << 12  # rows recomputed in each file


def verify(
    directory: str | os.PathLike[str],
    *,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[str]:
    """Return what is wrong with a dataset; an empty list when nothing is.

    Parameters
    ----------
    directory : path
        Holds manifest.json.
    workers : int, optional
        Threads; by default the processors this process may use.
    progress : callable, optional
        Called with the number of rows checked so far.

    Returns
    -------
    list of str
        One line for each problem; names the file, the column or the row, what was expected and found.

    Raises
    ------
    VerificationError
        When there is no readable manifest.
    """
    manifest = read(directory)
    bound = recipe_of(manifest)
    problems = list(_against_request(manifest))
    checked = 0
    with ThreadPoolExecutor(workers or available_processors()) as pool:
        found_by_file = pool.map(lambda e: _check(manifest, bound, e), manifest.files)
        for entry, found in zip(manifest.files, found_by_file, strict=True):
            problems += found
            checked += entry.rows
            if progress is not None:
                progress(checked)
    return problems


def _against_request(manifest: Manifest) -> Iterator[str]:
    request = manifest.request
    asked = -(-request.rows // request.rows_per_file)  # a forged one may be any number
    if asked != len(manifest.files):
        yield f"manifest.json lists {len(manifest.files)} files, its request makes {asked:,}"
    parts = request.parts() if asked == len(manifest.files) else []
    for part, entry in zip(parts, manifest.files, strict=False):
        if (part.name, part.start, part.rows) != (entry.path, entry.first_row, entry.rows):
            yield f"manifest.json: {entry.path} is listed with rows {entry.first_row} + {entry.rows}, expected " \
                  f"{part.name} with {part.start} + {part.rows}"  # fmt: skip
    listed = {entry.path for entry in manifest.files}
    for path in sorted(manifest.directory.glob("*.parquet")):
        if path.name not in listed:
            yield f"{path.name} is not in manifest.json; move it elsewhere"


def _check(manifest: Manifest, bound: Any, entry: FileEntry) -> list[str]:
    path = manifest.directory / entry.path
    if not path.exists():
        return [f"{entry.path} is missing; generate again with --resume or --overwrite"]
    problems = []
    size = store_of(path).version(path).size
    if size != entry.bytes:
        problems.append(f"{entry.path} has {size:,} bytes, the manifest says {entry.bytes:,}")
    elif sha256_of(path) != entry.sha256:
        problems.append(f"{entry.path}: SHA-256 differs from the manifest; its bytes were altered")
    try:
        problems += _check_content(bound, entry, path)
    except (pa.ArrowException, OSError) as error:
        problems.append(f"{entry.path} cannot be read as Parquet ({str(error).splitlines()[0]})")
    return problems


def _check_content(bound: Any, entry: FileEntry, path: Path) -> list[str]:
    with pq.ParquetFile(arrow_input(path)) as file:
        expected = arrow.schema(bound.columns)
        if not file.schema_arrow.equals(expected):
            return [f"{entry.path}: {_schema_difference(expected, file.schema_arrow)}"]
        if file.metadata.num_rows != entry.rows:
            return [f"{entry.path} has {file.metadata.num_rows:,} rows, the manifest says {entry.rows:,}"]
        group = int(Stream.of(0, "verify", entry.sha256).bits(0, 1)[0] % file.num_row_groups)
        before = sum(file.metadata.row_group(g).num_rows for g in range(group))
        found = file.read_row_group(group, use_threads=False)
    n = min(_SAMPLE, found.num_rows)
    offset = int(Stream.of(1, "verify", entry.sha256).bits(0, 1)[0] % (found.num_rows - n + 1))
    start = entry.first_row + before + offset
    frame = bound.compute(start, start + n, bound.columns)
    return [
        problem
        for column, wanted in zip(bound.columns, arrow.table(bound.columns, frame).columns, strict=True)
        if (
            problem := _difference(
                entry.path, column.name, start, wanted, found[column.name].slice(offset, n)
            )
        )
    ]


def _schema_difference(expected: pa.Schema, found: pa.Schema) -> str:
    for field in expected:
        index = found.get_field_index(field.name)
        if index < 0:
            return f"column {field.name} is missing"
        if not found.field(index).equals(field):
            return f"column {field.name} is {found.field(index).type}, expected {field.type}"
    extra = [name for name in found.names if name not in expected.names]
    return f"column {extra[0]} is not part of the dataset" if extra else "columns are in another order"


def _difference(path: str, name: str, start: int, wanted: pa.ChunkedArray, found: pa.ChunkedArray) -> str:
    if wanted.equals(found):
        return ""
    left, right = wanted.to_pylist(), found.to_pylist()
    row, (a, b) = next(
        (i, pair) for i, pair in enumerate(zip(left, right, strict=True)) if pair[0] != pair[1]
    )
    return f"{path}: column {name}, row {start + row:,}: recomputed {a!r}, found {b!r}"
