"""The list of a model's versions, quick for thousands: a cache of their records, made again where it is not."""

from __future__ import annotations

import json
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from scalable.errors import ModelError
from scalable.registry.entry import ENTRY, Entry, check_told, read_entry
from scalable.storage.documents import SHAPELESS
from scalable.storage.numbered import versions_of
from scalable.storage.replace import replacing

INDEX = ".index.json"


class Row(NamedTuple):
    """What a list shows of a version.

    Attributes
    ----------
    number : int
    state : list
        Time in nanoseconds or ETag, and bytes, of its record: the same as long as nobody touched it.
    id, created, size, metrics, tags, pruned, note
        See `scalable.registry.entry.Entry`.
    """

    number: int
    state: list[Any]
    id: str
    created: str
    size: int
    metrics: dict[str, float]
    tags: dict[str, str]
    pruned: bool
    note: str


_TYPES = [int, list, str, str, int, dict, dict, bool, str]  # of the fields of a row


def list_versions(versions: Path) -> tuple[list[Row], dict[int, str]]:
    """Return the versions below a directory in order, and what is wrong with those that cannot be read.

    The index saves reading the records of versions whose record has the same time and size as when it was written. It
    is checked against what is there, and replaced where it differs; whoever acts on a version reads its record.
    """
    known = _read(versions / INDEX)
    rows, wrong, changed = [], {}, False
    found = versions_of(versions, ENTRY)
    for number, version in found.items():
        if version is None:
            wrong[number] = "its record is missing, as while a copy is under way"
            continue
        state = [version.tag, version.size]
        row = known.get(number)
        if row is None or row.state != state:
            try:
                row = _row(number, state, read_entry(versions / str(number)))
            except ModelError as error:
                wrong[number] = str(error)
                continue
            changed = True
        rows.append(row)
    if changed or len(rows) != len(known):
        _write(versions / INDEX, rows)
    return rows, wrong


def _row(number: int, state: list[Any], entry: Entry) -> Row:
    shown = (entry.created, entry.size, entry.metrics, entry.tags, entry.pruned, entry.note)
    return Row(number, state, entry.id, *shown)


def _read(path: Path) -> dict[int, Row]:
    """Return the rows of an index; none where it is missing or damaged in any way."""
    try:
        crc, _, body = path.read_bytes().partition(b"\n")
        if int(crc) != zlib.crc32(body):
            return {}
        rows = [Row._make(row) for row in json.loads(body)]
        for row in rows:
            if [*map(type, row)] != _TYPES:
                raise TypeError("a row of another shape")
            check_told(row.metrics, row.tags)
        return {row.number: row for row in rows}
    except (OSError, *SHAPELESS):
        return {}


def _write(path: Path, rows: list[Row]) -> None:
    body = json.dumps([list(row) for row in rows], separators=(",", ":")).encode()
    with suppress(OSError), replacing(path, durable=False) as file:  # a list is had without it too
        file.write(b"%d\n" % zlib.crc32(body) + body)


def best_first(rows: list[Row], metric: str, *, ascending: bool = False) -> list[Row]:
    """Return versions by a metric; those without it last."""
    having: list[Any] = [row for row in rows if metric in row.metrics]
    having.sort(key=lambda row: row.metrics[metric], reverse=not ascending)
    return having + [row for row in rows if metric not in row.metrics]
