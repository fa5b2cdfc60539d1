"""Results documents on disk: written whole or not at all, checked when read."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scalable.errors import DataError
from scalable.report.document import FORMAT, REQUIRED, plain
from scalable.report.journal import read_journal
from scalable.storage import replace
from scalable.storage.places import place
from scalable.storage.replace import explained


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a whole file or none; raises `DataError` when that is not possible."""
    with explained(DataError, path, "choose a writable place with free space"):
        target = place(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        replace.write_text(target, text)


def write_results(path: str | os.PathLike[str], results: Mapping[str, Any]) -> None:
    """Write a results document atomically; raises `DataError` when that is not possible."""
    write_text(path, to_json(results))


def to_json(results: Mapping[str, Any]) -> str:
    """Return a results document as text."""
    return json.dumps(plain(results), indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def read_results(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a results document, or the journal (``.jsonl``) of one that grows.

    Raises
    ------
    DataError
        When the file is missing, damaged, not a results document, or of a newer format; the message
        names the file, what was found and the remedy.
    """
    remedy = "give a results.json written by `scalable ... --json FILE`"
    if Path(path).suffix == ".jsonl":
        return read_journal(path)
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); {remedy}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON or cut short ({error}); write it again, or {remedy}") from error
    if not isinstance(document, dict) or "format" not in document:
        raise DataError(f'{path}: JSON, but not a results document (no "format"); {remedy}')
    if document["format"] != FORMAT:
        raise DataError(
            f"{path}: results format {document['format']!r}, this version reads {FORMAT}; "
            "use the version that wrote it, or run the command again"
        )
    for key, expected in REQUIRED.items():
        if not isinstance(document.get(key), expected):
            found = type(document[key]).__name__ if key in document else "nothing"
            raise DataError(f"{path}: {key!r} should be a {expected.__name__}, found {found}; {remedy}")
    return document
