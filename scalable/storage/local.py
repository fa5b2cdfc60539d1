"""Files of this machine, or of what is mounted on it; see `scalable.storage.files.Store`."""

from __future__ import annotations

import builtins
import glob
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import BinaryIO

from scalable.storage.files import AnyPath, Range, Version
from scalable.storage.patterns import is_hidden, matches
from scalable.storage.replace import replacing

LOOKED_AT_BYTES = (
    2**21
)  # of a range that will be read, between two bytes of which it is seen whether they are there

ROOM_BYTES, ROOMS = 2**18, 32  # of what is read ahead; a call fills so many, without the interpreter's lock
MOST_AHEAD = 2**26  # bytes of one shard

__all__ = [
    "absolute", "descriptor", "expect", "expect_no_more", "forget", "list_files", "local_copy", "open", "read",
    "read_ahead", "replacing", "resolved", "version", "would_list",
]  # fmt: skip


def absolute(path: AnyPath) -> str:
    """Return a path that means the same in another working directory; links stay, they may differ elsewhere."""
    return os.path.abspath(path)


def resolved(path: AnyPath) -> str:
    """Return the path without links, the same for all paths to a file but those of hard links."""
    return os.path.realpath(path)


def hard_links(path: AnyPath) -> tuple[int, int] | None:
    """Return the identity of a file that several names lead to; None where one does."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if status.st_nlink > 1 else None


def version(path: AnyPath) -> Version:
    """Return size and time of change."""
    status = os.stat(path)
    return Version(status.st_size, status.st_mtime_ns)


def file_identity(path: AnyPath) -> tuple[int, int] | None:
    """Return which file of the machine a path leads to, whatever is written into it; None where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def list_files(path: AnyPath, suffix: str = "") -> list[str]:
    """Return a file, the files below a directory, or those that match a glob or lie below what does."""
    text = os.fspath(path)
    if os.path.isfile(text):
        return [text]
    if os.path.isdir(text):
        return sorted(file for file in _below(text) if file.endswith(suffix))
    named = set(Path(text).parts)  # a hidden name that was typed is meant
    found: set[str] = set()
    for match in glob.glob(text, recursive=True, include_hidden=Path(text).name.startswith(".")):
        if any(part.startswith((".", "_")) and not _typed(part, named) for part in Path(match).parts):
            continue
        one = os.path.isfile(match)
        found.update([match] if one else (file for file in _below(match) if file.endswith(suffix)))
    if not found:
        raise FileNotFoundError(text)
    return sorted(found)


def _typed(part: str, named: set[str]) -> bool:
    return part in (".", "..") or part in named or any(name[0] == part[0] for name in named)


def _below(directory: str) -> Iterator[str]:
    """Yield the files below a directory that are not hidden; links are followed, but never in a circle."""
    above = {directory: {os.path.realpath(directory)}}
    for place, directories, files in os.walk(directory, followlinks=True):
        way = above.pop(place)
        shown = [name for name in directories if not name.startswith((".", "_"))]
        directories[:] = [name for name in shown if os.path.realpath(os.path.join(place, name)) not in way]
        for name in directories:
            deeper = os.path.join(place, name)
            above[deeper] = way | {os.path.realpath(deeper)}
        yield from (os.path.join(place, name) for name in files if not name.startswith((".", "_")))


def marked(path: AnyPath, files: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return entries of some names in the directories of files, or in a directory itself."""
    if not files:
        return [mark for name in names if os.path.lexists(mark := f"{os.fspath(path)}/{name}")]
    found, seen = [], set[str]()
    for place in {os.path.dirname(os.path.abspath(file)) for file in files}:
        above = place
        while above not in seen:
            seen.add(above)
            found += marked(above, [], names)
            above = os.path.dirname(above)
    return sorted(found)


def would_list(path: AnyPath, suffix: str, file: AnyPath) -> bool:
    """Return whether a file lies where `list_files` looks."""
    place, name = Path(resolved(path)), Path(resolved(file))
    if not place.is_dir():
        return matches(name.parts, place.parts)
    inside = name.relative_to(place).parts if name.is_relative_to(place) else (".",)
    return name.suffix == suffix and not is_hidden(inside)


version_with_end = version


def open(path: AnyPath, of: Version | None = None) -> BinaryIO:
    """Open a file to read."""
    return builtins.open(path, "rb")


def read(path: AnyPath, offset: int, size: int, of: Version | None = None) -> bytes:
    """Return a range of a file."""
    with open(path) as file:
        file.seek(offset)
        return file.read(size)


def descriptor(path: AnyPath) -> int | None:
    """Return a descriptor, which the caller closes."""
    return os.open(path, os.O_RDONLY)


def local_copy(
    path: AnyPath, of: Version, part: Sequence[int], ranges: Sequence[Range]
) -> AbstractContextManager[str]:
    """Yield the path itself."""
    return nullcontext(os.fspath(path))


def expect_no_more(paths: Collection[str]) -> None:
    """Do nothing: the system was told."""


def expect(path: AnyPath, of: Version, part: Sequence[int], ranges: Sequence[Range]) -> bool:
    """Ask the system to read ranges into the page cache; return whether they were there."""
    advise = getattr(os, "posix_fadvise", None)  # not on macOS
    if advise is None:
        return False
    with suppress(OSError):  # gone, or on a file system that takes no hints
        file = os.open(path, os.O_RDONLY)
        try:
            away = [each for each in ranges if not _at_hand(file, *each)]
            for begin, end in away:
                advise(file, begin, end - begin, os.POSIX_FADV_WILLNEED)
        finally:
            os.close(file)
        return not away
    return False


def read_ahead(path: AnyPath, ranges: Sequence[Range]) -> bool:
    """Read ranges into the page cache, one after another, and return whether they were there.

    This takes as long as the disk does. Of a hint the system takes the first 8 MB or less, as its disk reads ahead;
    of many small ones the queue is sorted, so that what is wanted first may come last. Of very wide rows only the
    beginning is read.
    """
    if not hasattr(os, "preadv"):
        return expect(path, version(path), (), ranges)
    with suppress(OSError):
        file = os.open(path, os.O_RDONLY)
        try:
            away = [each for each in ranges if not _at_hand(file, *each)]
            room = memoryview(bytearray(ROOM_BYTES if away else 0))  # one for all: it stays near
            left = MOST_AHEAD
            for begin, end in away:
                stop = min(end, begin + left)
                for at in range(begin, stop, ROOMS * ROOM_BYTES):
                    whole, rest = divmod(min(ROOMS * ROOM_BYTES, stop - at), ROOM_BYTES)
                    os.preadv(file, [*[room] * whole, room[:rest]], at)
                left -= stop - begin
        finally:
            os.close(file)
        return not away
    return False


def forget(path: AnyPath, ranges: Sequence[Range]) -> None:
    """Have the system take whole pages of ranges out of the page cache."""
    if not hasattr(os, "posix_fadvise"):
        return
    with suppress(OSError):
        file = os.open(path, os.O_RDONLY)
        try:
            for begin, end in ranges:
                os.posix_fadvise(file, begin, end - begin, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(file)


def _at_hand(file: int, begin: int, end: int) -> bool:
    """Whether a range is in the page cache, as far as a look here and there tells.

    To ask for what is there already takes as long as a twentieth of learning from it: each page of it is looked up.
    """
    if not hasattr(os, "RWF_NOWAIT"):
        return False
    places, byte = [*range(begin, end, LOOKED_AT_BYTES), end - 1], [bytearray(1)]
    try:
        return all(os.preadv(file, byte, place, os.RWF_NOWAIT) for place in places)
    except OSError:  # it is not, or the file system does not tell
        return False
