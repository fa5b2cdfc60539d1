"""Saved models: a directory of JSON, NumPy arrays and text, checked by SHA-256, never a pickle."""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.errors import ModelError
from scalable.registry.address import model_path
from scalable.storage.documents import SHAPELESS
from scalable.storage.places import place
from scalable.storage.replace import explained, foreign_name, replacing_directory

FORMAT = 1
DOCUMENT = "model.json"
ARRAYS = "arrays.npz"
SEAL = "model.sha256"
PROFILE = "profile.arrays"  # beside it: what `scalable monitor` compares with
_PARTS = frozenset((DOCUMENT, ARRAYS, SEAL, PROFILE, "booster.txt"))  # of any model


@dataclass(frozen=True, slots=True)
class StoredModel:
    """What was read back: kind ("linear", "forest"), metadata, arrays and texts."""

    kind: str
    meta: dict[str, Any]
    arrays: dict[str, NDArray[Any]]
    texts: dict[str, str]


def save_model(
    path: str | os.PathLike[str],
    kind: str,
    meta: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]] | None = None,
    texts: Mapping[str, str] | None = None,
) -> Path:
    """Write a model directory atomically, replacing an earlier model of the same name.

    Parameters
    ----------
    path : str or path
        Directory to create.
    kind : str
        What reads it back, e.g. ``"linear"``.
    meta : mapping
        JSON-able description (encoder, link, classes, ...).
    arrays : mapping of str to ndarray, optional
        Stored in ``arrays.npz``.
    texts : mapping of str to str, optional
        Stored as files of those names.

    Raises
    ------
    ModelError
        When `path` exists and is not a model, or holds more than one, or cannot be written.
    """
    target = model_place(path)
    for name in texts or {}:
        if not _plain_name(name) or name in (DOCUMENT, ARRAYS, SEAL):
            raise ValueError(f"{name!r} cannot name a part of a model")
    for name, array in (arrays or {}).items():
        if np.asarray(array).dtype.hasobject:
            raise ValueError(f"array {name!r} holds Python objects, which only a pickle could store")
    parts: dict[str, bytes] = {name: text.encode() for name, text in (texts or {}).items()}
    if arrays:
        buffer = io.BytesIO()
        stored: dict[str, Any] = {name: np.asarray(array) for name, array in arrays.items()}
        np.savez(buffer, **stored)
        parts[ARRAYS] = buffer.getvalue()
    document = {
        "format": FORMAT,
        "kind": kind,
        "versions": {name: metadata.version(name) for name in ("numpy", "lightgbm", "scalable-training")},
        "parts": {name: hashlib.sha256(data).hexdigest() for name, data in parts.items()},
        "meta": dict(meta),
    }
    body = json.dumps(document, indent=1, allow_nan=True).encode()
    document_hash = hashlib.sha256(body).hexdigest()
    with (
        explained(ModelError, target, "free space or choose another place"),
        replacing_directory(target, _parts_of(target)) as new,
    ):
        for name, data in {**parts, DOCUMENT: body, SEAL: document_hash.encode()}.items():
            (new / name).write_bytes(data)
    return target


def model_place(path: str | os.PathLike[str]) -> Path:
    """Return where a model is to be saved; raises a ModelError where none may be, as something else is there."""
    target = place(path)
    if not target.name or target.name == "..":
        raise ModelError(f"{target}: not a name for a model; give the directory to create")
    if target.exists() and not ((target / DOCUMENT).is_file() and (target / SEAL).is_file()):
        raise ModelError(f"{target}: exists and is not a saved model; choose another name or remove it")
    if (other := foreign_name(target, _parts_of(target))) is not None:
        raise ModelError(
            f"{target}: {other!r} beside the model would be lost; move it away or choose another name"
        )
    return target


def _parts_of(model: Path) -> frozenset[str]:
    """Return the files that a model there is made of, as far as it says so."""
    try:
        return _PARTS | {str(name) for name in json.loads((model / DOCUMENT).read_bytes())["parts"]}
    except (OSError, *SHAPELESS):
        return _PARTS


def read_model(path: str | os.PathLike[str]) -> StoredModel:
    """Read a model directory, or a registry's, and check every part.

    Raises
    ------
    ModelError
        When it is not a model, of a newer format, or any part is altered or truncated.
    """
    source = model_path(path)
    if not source.exists():
        raise ModelError(f"{source}: not a saved model, for there is no such file or directory")
    if not source.is_dir() or not (source / DOCUMENT).is_file():
        raise ModelError(
            f"{source}: not a saved model (no {DOCUMENT} in it); give the directory `train --model` wrote"
        )
    body = (source / DOCUMENT).read_bytes()
    try:
        document = json.loads(body)
        expected = (source / SEAL).read_text().strip()
        found, kind, meta = document.get("format"), document["kind"], dict(document["meta"])
        parts = {str(name): str(digest) for name, digest in document["parts"].items()}
    except (OSError, *SHAPELESS) as error:
        raise ModelError(f"{source}/{DOCUMENT}: damaged ({error}); train or copy the model again") from error
    if found != FORMAT:
        raise ModelError(f"{source}: format {found!r}, this version reads {FORMAT}; update scalable")
    if hashlib.sha256(body).hexdigest() != expected:
        raise ModelError(f"{source}/{DOCUMENT}: altered since it was saved; train or copy the model again")
    contents = {name: _checked(source, name, digest) for name, digest in parts.items()}
    try:
        arrays = unpacked(contents.pop(ARRAYS)) if ARRAYS in contents else {}
        texts = {name: data.decode() for name, data in contents.items()}
    except SHAPELESS as error:
        raise ModelError(f"{source}: damaged ({error}); train or copy the model again") from error
    return StoredModel(str(kind), meta, arrays, texts)


def unpacked(data: bytes) -> dict[str, NDArray[Any]]:
    """Return the arrays of an ``.npz`` file, which take as much memory as they take in the file.

    Raises
    ------
    ValueError
        When it is none, is compressed (and could grow to any size), or an array is not as large as it says.
    """
    arrays: dict[str, NDArray[Any]] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            stored = all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
            if not stored or sum(entry.file_size for entry in entries) > len(data):
                raise ValueError(f"{ARRAYS} is compressed")
            for entry in entries:
                content = io.BytesIO(archive.read(entry))
                version = np.lib.format.read_magic(content)
                if version != (1, 0):
                    raise ValueError(f"{entry.filename!r} is of format {version}")
                shape, by_column, dtype = np.lib.format.read_array_header_1_0(content)
                rest = content.getbuffer()[content.tell() :]
                if dtype.hasobject or not dtype.itemsize or math.prod(shape) * dtype.itemsize != len(rest):
                    raise ValueError(f"{entry.filename!r} does not hold what it says")
                array = np.frombuffer(rest, dtype).reshape(shape, order="F" if by_column else "C")
                arrays[entry.filename.removesuffix(".npy")] = array.copy(order="K")
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OverflowError) as error:
        raise ValueError(f"{ARRAYS} cannot be read: {error!r}") from error
    return arrays


def _plain_name(name: str) -> bool:
    return bool(name) and name == os.path.basename(name) and not name.startswith(".") and "\0" not in name


def _checked(source: Path, name: str, digest: str) -> bytes:
    path = source / os.path.basename(name)
    if not _plain_name(name):
        raise ModelError(
            f"{source}/{DOCUMENT}: names a part outside the model ({name!r}); do not use this model"
        )
    if not path.is_file():
        raise ModelError(f"{path}: missing from the saved model; copy the whole directory")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        raise ModelError(f"{path}: altered or truncated since it was saved; train or copy the model again")
    return data
