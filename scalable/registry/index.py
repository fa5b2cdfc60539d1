"""The list of a model's versions, quick for thousands: a cache of their records, made again where it is not.

It is a file of lines, each a checksum and the columns of some versions: whoever records a version adds a line, whoever
lists writes many as one. What a later line says of a version counts; a line that is not whole says nothing.
"""

from __future__ import annotations

import json
import os
import zlib
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from scalable.errors import ModelError
from scalable.registry.entry import ENTRY, Entry, check_told, read_entry
from scalable.storage.documents import SHAPELESS
from scalable.storage.local import version
from scalable.storage.numbered import states_of
from scalable.storage.replace import replacing

INDEX = ".index.json"
_MOST_LINES = 32  # more are written as one by who lists, or
_RECORDED = 256  # by who records a version of such a number


class Row(NamedTuple):
    """What a list shows of a version.

    Attributes
    ----------
    number : int
    id, created, size, metrics, tags, pruned, note
        See `scalable.registry.entry.Entry`.
    """

    number: int
    id: str
    created: str
    size: int
    metrics: dict[str, float]
    tags: dict[str, str]
    pruned: bool
    note: str


_TYPES = (int, str, str, int, dict, dict, bool, str)  # of the fields of a row


class _Index(NamedTuple):
    """Rows of versions, time in nanoseconds or ETag, and bytes of each record as it was read; the lines of the file."""

    rows: list[Row]
    tags: list[int | str | None]
    sizes: list[int]
    n_lines: int = 1


def list_versions(versions: Path) -> tuple[list[Row], dict[int, str]]:
    """Return the versions below a directory in order, and what is wrong with those that cannot be read.

    The index saves reading the records of versions whose record has the same time and size as when it was written. It
    is checked against what is there, and replaced where it differs; whoever acts on a version reads its record.
    """
    known = _read(versions / INDEX)
    numbers, tags, sizes = states_of(versions, ENTRY)
    if known.tags == tags and known.sizes == sizes and [row.number for row in known.rows] == numbers:
        if known.n_lines > _MOST_LINES:
            _write(versions / INDEX, known)
        return known.rows, {}
    earlier = {row.number: (tag, size, row) for row, tag, size in zip(*known[:3], strict=True)}
    found, wrong = _Index([], [], []), {}
    for number, tag, size in zip(numbers, tags, sizes, strict=True):
        if tag is None:
            wrong[number] = "its record is missing, as while a copy is under way"
            continue
        *state, row = earlier.get(number, (None, None, None))
        if row is None or state != [tag, size]:
            try:
                row = _row(number, read_entry(f"{versions}/{number}"))
            except ModelError as error:
                wrong[number] = str(error)
                continue
        found.rows.append(row)
        found.tags.append(tag)
        found.sizes.append(size)
    if found[:3] != known[:3]:
        _write(versions / INDEX, found)
    return found.rows, wrong


def add_version(versions: Path, number: int, entry: Entry) -> None:
    """Tell the index of a version that was just recorded in a directory, so that nobody has to read its record."""
    with suppress(OSError):  # a list is had without it too
        if number % _RECORDED == 0:
            list_versions(versions)
            return
        recorded = version(versions / str(number) / ENTRY)
        line = _line(_Index([_row(number, entry)], [recorded.tag], [recorded.size]))
        descriptor = os.open(versions / INDEX, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.write(descriptor, b"\n" + line)  # what another did not end, ends there
        finally:
            os.close(descriptor)


def _row(number: int, entry: Entry) -> Row:
    shown = (entry.created, entry.size, entry.metrics, entry.tags, entry.pruned, entry.note)
    return Row(number, entry.id, *shown)


def _read(path: Path) -> _Index:
    """Return an index; nothing where it is missing or damaged in any way."""
    try:
        bodies = [body for body in map(_body, path.read_bytes().split(b"\n")) if body]
        lines = json.loads(b"[" + b",".join(bodies) + b"]")
        if any(len({*map(len, line)}) != 1 for line in lines):
            raise ValueError("columns of different lengths")
        columns = lines[0] if len(lines) == 1 else [[*chain(*parts)] for parts in zip(*lines, strict=True)]
        tags, sizes, *told = columns
        rows = list(map(Row, *told))
        if [{*map(type, column)} for column in told] != [{kind} for kind in _TYPES]:
            raise TypeError("a row of another shape")
        metrics, texts = (chain.from_iterable(map(dict.values, told[k])) for k in (4, 5))
        check_told(metrics, texts)
        if len(lines) > 1:
            last = {row.number: k for k, row in enumerate(rows)}
            rows, tags, sizes = ([each[last[k]] for k in sorted(last)] for each in (rows, tags, sizes))
        return _Index(rows, tags, sizes, len(lines))
    except (OSError, *SHAPELESS):
        return _Index([], [], [])


def _body(line: bytes) -> bytes:
    """Return what a line says; nothing for one that is not whole."""
    crc, _, body = line.partition(b" ")
    return body if crc.isdigit() and int(crc) == zlib.crc32(body) else b""


def _line(found: _Index) -> bytes:
    """Return a line of the index: a list for each column, which is half the time of one for each version to read."""
    columns = [found.tags, found.sizes, *map(list, zip(*found.rows, strict=True))]
    body = json.dumps(columns, separators=(",", ":")).encode()
    return b"%d %s\n" % (zlib.crc32(body), body)


def _write(path: Path, found: _Index) -> None:
    """Write an index as one line."""
    with suppress(OSError), replacing(path, durable=False) as file:  # a list is had without it too
        file.write(_line(found))


def best_first(rows: list[Row], metric: str, *, ascending: bool = False) -> list[Row]:
    """Return versions by a metric; those without it last."""
    having: list[Any] = [row for row in rows if metric in row.metrics]
    having.sort(key=lambda row: row.metrics[metric], reverse=not ascending)
    return having + [row for row in rows if metric not in row.metrics]
