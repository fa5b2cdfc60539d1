"""Files of this machine, or of what is mounted on it; see `scalable.storage.files.Store`."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO

from scalable.storage.files import AnyPath, Version
from scalable.storage.replace import replacing

__all__ = [
    "absolute", "descriptor", "list_files", "open", "read", "replacing", "resolved", "version", "would_list",
]  # fmt: skip


def absolute(path: AnyPath) -> str:
    """Return a path that means the same in another working directory; links stay, they may differ elsewhere."""
    return os.path.abspath(path)


def resolved(path: AnyPath) -> str:
    """Return the path without links, the same for all paths to a file."""
    return os.path.realpath(path)


def version(path: AnyPath) -> Version:
    """Return size and time of change."""
    status = os.stat(path)
    return Version(status.st_size, status.st_mtime_ns)


def list_files(path: AnyPath, suffix: str) -> list[str]:
    """Return a file, the files below a directory, or those that match a glob."""
    text = os.fspath(path)
    if os.path.isfile(text):
        return [text]
    if os.path.isdir(text):
        return sorted(
            str(file)
            for file in Path(text).rglob(f"*{suffix}")
            if file.is_file()  # other writers make directories of that name
            and not any(part.startswith((".", "_")) for part in file.relative_to(text).parts)
        )
    found = sorted(file for file in glob.glob(text, recursive=True) if os.path.isfile(file))
    if not found:
        raise FileNotFoundError(text)
    return found


def would_list(path: AnyPath, suffix: str, file: AnyPath) -> bool:
    """Return whether a file lies where `list_files` looks."""
    place, name = Path(resolved(path)), Path(resolved(file))
    if not place.is_dir():
        return _matches(name.parts, place.parts)
    inside = name.relative_to(place).parts if name.is_relative_to(place) else (".",)
    return name.suffix == suffix and not any(part.startswith((".", "_")) for part in inside)


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if pattern[:1] == ("**",):
        return any(_matches(parts[k:], pattern[1:]) for k in range(len(parts) + 1))
    if not parts or not pattern:
        return not parts and not pattern
    return fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def open(path: AnyPath) -> BinaryIO:
    """Open a file to read."""
    return Path(path).open("rb")


def read(path: AnyPath, offset: int, size: int) -> bytes:
    """Return a range of a file."""
    with open(path) as file:
        file.seek(offset)
        return file.read(size)


def descriptor(path: AnyPath) -> int | None:
    """Return a descriptor, which the caller closes."""
    return os.open(path, os.O_RDONLY)
