"""The results document: one JSON object a run, complete enough to be quoted and repeated.

``format`` (1), ``kind`` ("quickstart", "train", "evaluate", "latency", "versus", ...), ``created`` (UTC,
ISO 8601), ``machine``, ``versions``, ``git_commit``, ``seed``, ``command`` and ``sections``, whose shapes
are those of :mod:`scalable.report.sections`.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
import shlex
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from scalable.errors import DataError
from scalable.report import environment

FORMAT = 1
REQUIRED: dict[str, type] = {"kind": str, "created": str, "machine": dict, "versions": dict, "sections": dict}


def new_results(
    kind: str, sections: Mapping[str, Any], seed: int | None = None, command: str | None = None
) -> dict[str, Any]:
    """Return a results document about work done here and now.

    Parameters
    ----------
    kind : str
        What ran, e.g. "quickstart".
    sections : mapping
        Sections by name; dataclasses must have become dicts, NumPy values may stay.
    seed : int, optional
        The seed that repeats the run.
    command : str, optional
        The exact command that repeats the run; by default, how this process was started.
    """
    if command is None:
        command = shlex.join([*_program(Path(sys.argv[0])), *sys.argv[1:]])
    document = {
        "format": FORMAT,
        "kind": kind,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": environment.machine(),
        "versions": environment.versions(),
        "git_commit": environment.git_commit(),
        "seed": seed,
        "command": command,
        "sections": dict(sections),
    }
    found: dict[str, Any] = plain(document)
    return found


def _program(started: Path) -> list[str]:
    """Return how a program is started that is known by its first argument only."""
    if started.name != "__main__.py":
        return [started.name]
    parents = itertools.takewhile(lambda folder: (folder / "__init__.py").is_file(), started.parents)
    return ["python", "-m", ".".join(folder.name for folder in [*parents][::-1])]


def plain(value: Any) -> Any:
    """Return `value` as JSON's own types; NaN and infinities, which JSON lacks, become None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a whole file or none: temporary name, fsync, rename.

    Raises
    ------
    DataError
        When the file cannot be written, naming it and the system's reason.
    """
    target = Path(path)
    partial = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(partial, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, target)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise DataError(
            f"{target}: cannot be written ({error.strerror}); choose a writable place with free space"
        ) from error


def write_results(path: str | os.PathLike[str], results: Mapping[str, Any]) -> None:
    """Write a results document atomically; raises `DataError` when that is not possible."""
    write_text(path, json.dumps(plain(results), indent=1, allow_nan=False, ensure_ascii=False) + "\n")


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
        from scalable.report.journal import read_journal

        return read_journal(path)
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); {remedy}") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
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
