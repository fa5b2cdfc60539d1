"""What is known of one version of a model: one sealed JSON file beside the model's own files."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scalable.errors import ModelError
from scalable.storage.documents import typed, understood
from scalable.storage.files import AnyPath, sha256_of, store_of
from scalable.storage.places import files_below, states_below
from scalable.storage.replace import replacing, write_bytes

FORMAT = 1
ENTRY = "version.json"
MODEL = "model"  # the directory of the model's files, or of its one file
FILES = "files"  # and those of an object store's registry, each below the version's id
_ID = re.compile("[0-9a-f]{32}")
_PIECE = 2**20  # bytes copied at a time
REMEDY = "copy the whole version again, or record the model anew"


@dataclass(frozen=True, slots=True)
class Entry:
    """A version's record. Nothing of it changes later but `pruned`.

    Attributes
    ----------
    id : str
        32 hexadecimal digits of its own, the same wherever it is copied.
    created : str
        UTC, ISO 8601.
    file : str
        Name of the model where it is one file; empty for a directory.
    files : dict
        Of each file below the model's directory its size in bytes and its SHA-256.
    data : dict
        Fingerprint of the training rows: ``digest``, and ``parts`` where they are not too long to be kept.
    code, environment : dict
        Versions and commit; machine and packages.
    parameters : dict
    metrics : dict of str to float
    tags : dict of str to str
    parents : tuple of str
        Versions it came from, as ``NAME@NUMBER``, or whatever the caller calls them.
    note : str
    pruned : bool
        Whether the model's files were removed to save space.
    apart : bool
        Whether they lie below ``files/ID`` of the model, for an object store renames nothing once it has a number.
    """

    id: str
    created: str
    files: dict[str, Any]
    file: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    code: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, Any] = field(default_factory=dict)
    parents: tuple[str, ...] = ()
    note: str = ""
    pruned: bool = False
    apart: bool = False

    @property
    def size(self) -> int:
        """Bytes of the model."""
        return sum(size for size, _ in self.files.values())


def sealed(entry: Entry) -> bytes:
    """Return the file of a version's record."""
    body = json.dumps(asdict(entry), sort_keys=True, allow_nan=False)
    document = {"format": FORMAT, "sha256": hashlib.sha256(body.encode()).hexdigest(), "entry": body}
    return json.dumps(document).encode()


def write_entry(place: Path, entry: Entry) -> None:
    """Write the record of a version into its directory, whole or not at all."""
    write_bytes(place / ENTRY, sealed(entry))


def read_entry(place: AnyPath) -> Entry:
    """Read and check the record of a version.

    Raises
    ------
    ModelError
        It is missing, as while a copy is under way, damaged, or of a newer format.
    """
    path = f"{os.fspath(place)}/{ENTRY}"
    try:
        with store_of(path).open(path) as file:
            data = file.read()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); {REMEDY}") from error
    with understood(ModelError, path, REMEDY):
        document = json.loads(data)
        if document["format"] != FORMAT:
            raise ModelError(
                f"{path}: format {document['format']!r}, this version reads {FORMAT}; update scalable"
            )
        body = document["entry"].encode()
        if hashlib.sha256(body).hexdigest() != document["sha256"]:
            raise ModelError(f"{path}: altered since it was recorded; {REMEDY}")
        entry = typed(Entry, json.loads(body))
        for name, (size, digest) in entry.files.items():
            outside = {"", ".", ".."} & set(name.split("/")) or "\0" in name
            if outside or type(size) is not int or type(digest) is not str:
                raise ValueError(f"file {name!r}")
        if not _ID.fullmatch(entry.id):
            raise ValueError(f"id {entry.id!r}")
        if entry.file and entry.file not in entry.files:
            raise ValueError(f"file {entry.file!r}")
        check_told(entry.metrics.values(), entry.tags.values())
    return entry


def check_told(metrics: Iterable[Any], tags: Iterable[Any]) -> None:
    """Raise a TypeError where a metric is no number, or what a tag says no text."""
    if not {*map(type, metrics)} <= {int, float} or not {*map(type, tags)} <= {str}:
        raise TypeError("a metric is no number, or a tag no text")


def copied_files(source: Path, model: Path) -> dict[str, Any]:
    """Copy a model's file, or the files of its directory, and return size and SHA-256 of each by its path from there.

    Raises
    ------
    OSError
        One cannot be read or written.
    ModelError
        The model was replaced meanwhile: some files would be of one, some of another.
    """
    found: dict[str, Any] = {}
    before = states_below(source)
    for name, path in (files_below(source) if source.is_dir() else {source.name: source}).items():
        target, digest, size = model / name, hashlib.sha256(), 0
        target.parent.mkdir(parents=True, exist_ok=True)
        with store_of(path).open(path) as file, replacing(target, durable=False) as copy:
            while data := file.read(_PIECE):
                copy.write(data)
                digest.update(data)
                size += len(data)
        found[name] = [size, digest.hexdigest()]
    if states_below(source) != before:
        raise ModelError(f"{source}: changed while it was copied; record it when it is finished")
    return found


def files_of(place: Path, entry: Entry) -> Path:
    """Return the directory of a version's files."""
    return place.parent.parent / FILES / entry.id if entry.apart else place / MODEL


def model_of(place: Path, entry: Entry, *, thorough: bool = False) -> Path:
    """Return where a version's model lies, after a look at all of its files.

    Parameters
    ----------
    place : Path
        Directory of the version.
    entry : Entry
    thorough : bool
        Compare what the files hold too, not their sizes alone.

    Raises
    ------
    ModelError
        It was pruned, or a file is missing or of another size or content than recorded.
    """
    if entry.pruned:
        raise ModelError(f"{place}: its model was pruned; choose another version")
    model = files_of(place, entry)
    for difference in _differences(model, entry, thorough):
        raise ModelError(f"{model / difference}; {REMEDY}")
    return model / entry.file if entry.file else model


def _differences(model: Path, entry: Entry, thorough: bool) -> Iterator[str]:
    for name, (size, digest) in entry.files.items():
        path = model / name
        try:
            found = store_of(path).version(path).size
        except OSError:
            yield f"{name}: missing from the registry"
            continue
        if found != size:
            yield f"{name}: {found:,} bytes, recorded with {size:,}"
        elif thorough and sha256_of(path) != digest:
            yield f"{name}: altered since it was recorded"
