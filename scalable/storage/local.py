"""Files of this machine, or of what is mounted on it; see `scalable.storage.files.Store`."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import BinaryIO

from scalable.storage.files import AnyPath, Version
from scalable.storage.replace import replacing

__all__ = ["absolute", "descriptor", "list_files", "open", "read", "replacing", "resolved", "version"]


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
