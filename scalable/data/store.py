"""Saved models: a directory of JSON, NumPy arrays and text, checked by SHA-256, never a pickle."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.errors import ModelError

FORMAT = 1
DOCUMENT = "model.json"
ARRAYS = "arrays.npz"


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
        When `path` exists and is not a model, or cannot be written.
    """
    target = Path(path)
    if target.exists() and not (target / DOCUMENT).is_file():
        raise ModelError(f"{target}: exists and is not a saved model; choose another name or remove it")
    parts: dict[str, bytes] = {name: text.encode() for name, text in (texts or {}).items()}
    if arrays:
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **{name: np.asarray(a) for name, a in arrays.items()})
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
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise ModelError(f"{target}: cannot be written ({error.strerror}); choose another place") from error
    try:
        for name, data in {**parts, DOCUMENT: body, "model.sha256": document_hash.encode()}.items():
            with open(scratch / name, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        scratch.chmod(0o755)
        if target.exists():
            retired = target.with_name(f".{target.name}.old-{os.getpid()}")
            target.rename(retired)
            scratch.rename(target)
            shutil.rmtree(retired)
        else:
            scratch.rename(target)
    except OSError as error:
        raise ModelError(
            f"{target}: cannot be written ({error.strerror}); free space or choose another place"
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def read_model(path: str | os.PathLike[str]) -> StoredModel:
    """Read a model directory and check every part.

    Raises
    ------
    ModelError
        When it is not a model, of a newer format, or any part is altered or truncated.
    """
    source = Path(path)
    if not source.is_dir() or not (source / DOCUMENT).is_file():
        raise ModelError(
            f"{source}: not a saved model (no {DOCUMENT} in it); give the directory `train --model` wrote"
        )
    body = (source / DOCUMENT).read_bytes()
    try:
        document = json.loads(body)
        expected = (source / "model.sha256").read_text().strip()
        kind, meta, parts = document["kind"], document["meta"], dict(document["parts"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{source}/{DOCUMENT}: damaged ({error}); train or copy the model again") from error
    if document.get("format") != FORMAT:
        raise ModelError(
            f"{source}: format {document.get('format')!r}, this version reads {FORMAT}; update scalable"
        )
    if hashlib.sha256(body).hexdigest() != expected:
        raise ModelError(f"{source}/{DOCUMENT}: altered since it was saved; train or copy the model again")
    contents = {name: _checked(source, name, digest) for name, digest in parts.items()}
    arrays: dict[str, NDArray[Any]] = {}
    if ARRAYS in contents:
        try:
            with np.load(io.BytesIO(contents.pop(ARRAYS)), allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
        except (ValueError, zipfile.BadZipFile) as error:
            raise ModelError(
                f"{source}/{ARRAYS}: damaged ({error}); train or copy the model again"
            ) from error
    return StoredModel(kind, meta, arrays, {name: data.decode() for name, data in contents.items()})


def _checked(source: Path, name: str, digest: str) -> bytes:
    path = source / os.path.basename(name)
    if not path.is_file():
        raise ModelError(f"{path}: missing from the saved model; copy the whole directory")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        raise ModelError(f"{path}: altered or truncated since it was saved; train or copy the model again")
    return data
