"""Where directories of ours lie: a path of this machine, or a prefix of an object store with the same manners."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any, cast

from scalable.errors import UsageError
from scalable.storage.files import STORES, AnyPath, ObjectStore, Version, object_store_of, store_of
from scalable.storage.replace import scratch_beside

_SCHEME = re.compile(r"^([a-z][a-z0-9]+):/+(?=[^/])")


def place(path: AnyPath) -> Path:
    """Return a path that reads, writes and lists what it names, wherever that is.

    A `Path` that was made of an address, and so lost a slash (``s3:/bucket/key``), means that address.
    """
    text = os.fspath(path)
    found = _SCHEME.match(text)
    if found is None or found.group(1) not in STORES:
        return Path(path)
    return cast("Path", ObjectPlace(f"{found.group(1)}://{text[found.end() :]}"))


def respelled(text: str) -> str:
    """Return a text with the slashes that addresses lost as `Path`."""
    return re.sub(rf"(?<![\w/])({'|'.join(STORES)}):/(?=[^/\s])", r"\1://", text)


def is_address(path: AnyPath) -> bool:
    """Return whether a path leads to an object store."""
    return isinstance(place(path), ObjectPlace)


def local_place(path: AnyPath, what: str) -> Path:
    """Return a path of this machine's file systems, for `what` needs renames and locks.

    Raises
    ------
    UsageError
        When it is in an object store.
    """
    if is_address(path):
        raise UsageError(
            f"{place(path)}: {what} is kept on file systems, not in object stores; give a directory"
        )
    return Path(path)


def remove_tree(directory: Path) -> None:
    """Remove a directory and what is in it, as far as possible; no half of it is ever left under its name.

    A file stays, and so does a link, whose directory goes.
    """
    any_place: object = directory
    if isinstance(any_place, ObjectPlace):
        any_place.remove_below()
    elif directory.is_dir():
        directory = directory.resolve()
        with suppress(OSError):
            directory = directory.rename(scratch_beside(directory))
        shutil.rmtree(directory, ignore_errors=True)


def files_below(directory: Path) -> dict[str, Path]:
    """Return the files below a directory, hidden ones too, by their paths from there with slashes; sorted."""
    any_place: object = directory
    if isinstance(any_place, ObjectPlace):
        return cast("dict[str, Path]", any_place.objects_below())
    found = sorted(path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): path for path in found}


def states_below(place: Path) -> list[tuple[str, Version]]:
    """Return the files below a directory, or one file, and what changes with each; raises an OSError for a lost one."""
    return [
        (str(file), store_of(file).version(file)) for file in list(files_below(place).values()) or [place]
    ]


class ObjectPlace(os.PathLike[str]):
    """A name in an object store, with those manners of `pathlib.Path` that are used here.

    A directory is there when something is in it; making one does nothing.

    Parameters
    ----------
    address : str
        Such as ``s3://bucket/folder/file``.
    """

    def __init__(self, address: str) -> None:
        self._address = re.sub("(?<!:)/+", "/", address).rstrip("/")  # as keys are spelled

    def __fspath__(self) -> str:
        return self._address

    def __str__(self) -> str:
        return self._address

    def __repr__(self) -> str:
        return f"ObjectPlace({self._address!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObjectPlace) and other._address == self._address

    def __hash__(self) -> int:
        return hash(self._address)

    def __lt__(self, other: ObjectPlace) -> bool:
        return self._address < other._address

    def __truediv__(self, name: AnyPath) -> ObjectPlace:
        return ObjectPlace(f"{self._address}/{os.fspath(name)}")

    @property
    def name(self) -> str:
        """Last part of the address; empty for a bucket."""
        _, _, rest = self._address.partition("://")
        return PurePosixPath(rest).name if "/" in rest else ""

    @property
    def suffix(self) -> str:
        """Ending of the name, with its dot."""
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> ObjectPlace:
        """The place above."""
        return ObjectPlace(self._address.rpartition("/")[0])

    def resolve(self, strict: bool = False) -> ObjectPlace:
        """Return the place: an address means the same everywhere. FileNotFoundError as of a path, if strict."""
        if strict and not self.exists():
            raise FileNotFoundError(errno.ENOENT, "there is no such object", self._address)
        return self

    def is_file(self) -> bool:
        """Return whether there is such an object."""
        try:
            self._store.version(self._address)
        except FileNotFoundError:
            return False
        return True

    def is_dir(self) -> bool:
        """Return whether something is below."""
        return self._store.anything_below(self._address)

    def exists(self) -> bool:
        """Return whether it is either; a list comes first, for it says why where it is refused."""
        return self.is_dir() or self.is_file()

    def iterdir(self) -> Iterator[ObjectPlace]:
        """Yield what is directly below, in order."""
        for name in sorted({name.partition("/")[0] for name in self.objects_below()}):
            yield self / name

    def glob(self, pattern: str) -> Iterator[ObjectPlace]:
        """Yield what is directly below and has a name like `pattern`."""
        return (found for found in self.iterdir() if fnmatchcase(found.name, pattern))

    def mkdir(self, **options: Any) -> None:
        """Do nothing."""

    def read_bytes(self) -> bytes:
        """Return the object."""
        with self._store.open(self._address) as file:
            return file.read()

    def read_text(self, encoding: str = "utf-8") -> str:
        """Return the object as text."""
        return self.read_bytes().decode(encoding)

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove the object."""
        if not missing_ok:
            self._store.version(self._address)
        self._store.remove([self._address])

    def objects_below(self) -> dict[str, ObjectPlace]:
        """Return all objects below, by the rest of their addresses; sorted."""
        below = self._store.everything_below(self._address)
        return {address[len(self._address) + 1 :]: ObjectPlace(address) for address in below}

    def remove_below(self) -> None:
        """Remove all objects below."""
        self._store.remove(self._store.everything_below(self._address))

    @property
    def _store(self) -> ObjectStore:
        return object_store_of(self._address)
