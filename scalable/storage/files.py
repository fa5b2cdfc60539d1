"""One face over files, whatever keeps them: whoever is above asks it for their places, versions and bytes."""

from __future__ import annotations

import hashlib
import importlib
import os
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Protocol, cast

from scalable.errors import DataError

AnyPath = str | os.PathLike[str]

# Scheme of a path -> the module that keeps such files; another object store is a module and a line.
STORES = {
    "": "scalable.storage.local",
    "s3": "scalable.storage.objects",
    "gs": "scalable.storage.objects",
    "az": "scalable.storage.objects",
}
_HASHED = 2**22  # bytes at a time, each a request where those cost
Range = tuple[int, int]  # first byte, and the one after the last


@dataclass(frozen=True, slots=True)
class Version:
    """What tells two states of one file apart without reading it.

    Attributes
    ----------
    size : int
        Bytes.
    tag : int or str
        Time of the last change in nanoseconds, or an object store's ETag.
    """

    size: int
    tag: int | str


class Store(Protocol):
    """What a module of `STORES` provides; everything raises OSError where a file cannot be had."""

    def absolute(self, path: AnyPath) -> str:
        """Return a path that means the same in another working directory."""

    def resolved(self, path: AnyPath) -> str:
        """Return the one path among all that lead to the same file."""

    def version(self, path: AnyPath) -> Version:
        """Return the version of a file."""

    def version_with_end(self, path: AnyPath) -> Version:
        """Return the version of a file whose last bytes will be asked for next, in one request where those cost."""

    def list_files(self, path: AnyPath, suffix: str = "") -> list[str]:
        """Return a file itself, the files below a directory that end so, or those that match a pattern; sorted.

        Those that are hidden (``.`` or ``_`` before a name that was not given) do not count.
        FileNotFoundError is raised where there is no such file, directory or match.
        """

    def marked(self, path: AnyPath, files: Sequence[str], names: Sequence[str]) -> list[str]:
        """Return entries of some names, which may be hidden: ``DIRECTORY/NAME``.

        Without `files`, those in `path` itself; else those in directories that files behind `path` lie in, at any
        depth. Of entries above `path`, a store may look for the first name only.
        """

    def would_list(self, path: AnyPath, suffix: str, file: AnyPath) -> bool:
        """Return whether `list_files` would find a file of that name, were it there."""

    def open(self, path: AnyPath, of: Version | None = None) -> BinaryIO:
        """Open a file to read, from its beginning or wherever it is sought; see `read`."""

    def read(self, path: AnyPath, offset: int, size: int, of: Version | None = None) -> bytes:
        """Return `size` bytes from `offset` on, fewer at the end of the file.

        Who knows the version says so: an object store then need not ask for it, and refuses another one.
        """

    def descriptor(self, path: AnyPath) -> int | None:
        """Open a file for kernels that read it through the page cache; None where files are not local."""

    def local_copy(
        self, path: AnyPath, of: Version, part: Sequence[int], ranges: Sequence[Range]
    ) -> AbstractContextManager[str]:
        """Yield the path of a local file that has these ranges where `path` has them, for any library to open.

        Parameters
        ----------
        of : Version
            Of the file; another one is refused.
        part : sequence of int
            What parts the file: ranges of one part come into one copy.
        """

    def expect(self, path: AnyPath, of: Version, part: Sequence[int], ranges: Sequence[Range]) -> bool:
        """Begin to fetch what will be read next, and do not wait; nothing happens where that is not possible.

        Returns whether it is known that all was at hand already.
        """

    def expect_no_more(self, paths: Collection[str]) -> None:
        """Forget what `expect` was told of these paths and has not begun."""

    def replacing(self, path: AnyPath, *, durable: bool = True) -> AbstractContextManager[BinaryIO]:
        """Write a file whole or not at all, see `scalable.storage.replace.replacing`."""


class ObjectStore(Store, Protocol):
    """What a store provides beyond that where it is no file system: directories there are prefixes of names."""

    def create(self, path: AnyPath, data: bytes) -> None:
        """Write an object where there is none, and nothing where there is one: of several writers one succeeds.

        FileExistsError is raised where there is one that does not hold the same bytes.
        """

    def upload(self, path: AnyPath, file: BinaryIO) -> None:
        """Write what an open file holds, whole or not at all."""

    def anything_below(self, path: AnyPath) -> bool:
        """Return whether there is an object below a prefix."""

    def versions_below(self, path: AnyPath) -> dict[str, Version]:
        """Return all objects below a prefix, hidden ones too, with their versions."""

    def everything_below(self, path: AnyPath, older_than: float = 0.0) -> list[str]:
        """Return all objects below a prefix, hidden ones too, that are at least so many seconds old; sorted."""

    def remove(self, paths: Sequence[AnyPath]) -> None:
        """Remove objects, as far as they are there."""


def store_of(path: AnyPath) -> Store:
    """Return what keeps a file, by the scheme of its path (``scheme://...``, or none).

    Raises
    ------
    DataError
        When nothing here keeps files of that scheme.
    """
    text = os.fspath(path)
    scheme = text.partition("://")[0] if "://" in text else ""
    if scheme not in STORES:
        known = ", ".join(f"{name}://" for name in STORES if name)
        raise DataError(
            f"{text}: there is no storage for {scheme}://; give local paths{known and ' or ' + known}"
        )
    return cast("Store", importlib.import_module(STORES[scheme]))


def object_store_of(path: AnyPath) -> ObjectStore:
    """Return what keeps an object, as `store_of` does."""
    return cast("ObjectStore", store_of(path))


def arrow_input(path: AnyPath, of: Version | None = None) -> str | BinaryIO:
    """Return what pyarrow opens: the path of a local file, which it reads itself, or an open file."""
    text = os.fspath(path)
    return text if is_local(text) else store_of(text).open(text, of)


def is_local(path: AnyPath) -> bool:
    """Return whether a path leads to a file of this machine, which any library can open."""
    return "://" not in os.fspath(path)


def total_size(paths: Sequence[AnyPath]) -> int:
    """Return the bytes of all files together."""
    return sum(store_of(path).version(path).size for path in paths)


def sha256_of(path: AnyPath) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    digest = hashlib.sha256()
    with store_of(path).open(path) as file:
        while data := file.read(_HASHED):
            digest.update(data)
    return digest.hexdigest()
