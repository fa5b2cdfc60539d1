"""Files and directories under the numbers 1, 2, ...: each writer gets the next one, whole or not at all.

On a file system by links and renames, which take nothing's place; in an object store by objects that are only written
where there is none.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from scalable.storage.files import Version, is_local, object_store_of
from scalable.storage.object_writing import CONDITION
from scalable.storage.replace import SCRATCH, sync

_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)


def numbers_in(directory: str | os.PathLike[str]) -> list[int]:
    """Return the numbers that are taken in a directory, in no order; none where there is no directory."""
    if not is_local(directory):
        return _numbers(_first_parts(directory, object_store_of(directory).everything_below(directory)))
    try:
        return _numbers(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _first_parts(directory: str | os.PathLike[str], below: Iterable[str]) -> set[str]:
    """Return the names directly below a prefix, of objects that mean something."""
    begin = len(os.fspath(directory)) + 1
    return {path[begin:].partition("/")[0] for path in below if not path.endswith(CONDITION)}


def _numbers(names: Iterable[str]) -> list[int]:
    return [int(name) for name in names if name.isdecimal() and name.isascii() and name[0] != "0"]


def states_of(
    directory: str | os.PathLike[str], name: str
) -> tuple[list[int], list[int | str | None], list[int]]:
    """Return the numbers of a directory in order, and tag and size of a file in each of them.

    They are those of `scalable.storage.files.Version`; None and 0 where there is no such file.
    """
    numbers: list[int] = sorted(numbers_in(directory)) if is_local(directory) else []
    tags: list[int | str | None] = []
    sizes: list[int] = []
    if not is_local(directory):
        known, above = object_store_of(directory).versions_below(directory), f"{os.fspath(directory)}/"
        numbers = sorted(_numbers(_first_parts(directory, known)))
        found = [known.get(f"{above}{number}/{name}", Version(0, "")) for number in numbers]
        return numbers, [version.tag or None for version in found], [version.size for version in found]
    if numbers:
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            for number in numbers:
                try:
                    status = os.stat(f"{number}/{name}", dir_fd=descriptor)
                    tags.append(status.st_mtime_ns)
                    sizes.append(status.st_size)
                except OSError:
                    tags.append(None)
                    sizes.append(0)
        finally:
            os.close(descriptor)
    return numbers, tags, sizes


def add_numbered(directory: Path, data: bytes, name: str) -> int:
    """Write an object under the next free number of a directory in an object store.

    Parameters
    ----------
    directory : Path
    data : bytes
        What the object holds.
    name : str
        What it is called below the number.

    Returns
    -------
    int
        The number, which nobody else got.

    Raises
    ------
    OSError
        It cannot be written, or the store knows no conditions.
    """
    store, number = object_store_of(directory), max(numbers_in(directory), default=0)
    while True:
        number += 1
        with suppress(FileExistsError):
            store.create(os.fspath(directory / str(number) / name), data)
            return number


def add_as(directory: Path, number: int, data: bytes) -> bool:
    """Write a file under a number of a directory, which is made where it is missing; False where the number is taken.

    Raises
    ------
    OSError
        It cannot be written, or the file system knows no links, or the store no conditions.
    """
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / str(number)
    try:
        if not is_local(directory):
            object_store_of(directory).create(os.fspath(target), data)
            return True
        with _scratch_file(directory, data) as finished:
            os.link(finished, target)
    except FileExistsError:
        return False
    sync(directory)
    return True


@contextmanager
def _scratch_file(directory: Path, data: bytes) -> Iterator[Path]:
    """Yield a hidden file that holds `data` on the disk, and is gone afterwards."""
    path = directory / f".{secrets.token_hex(8)}{SCRATCH}"
    try:
        with open(path, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield path
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def scratch_directory(directory: Path) -> Iterator[Path]:
    """Yield a hidden, empty directory that is removed afterwards, unless it got a number."""
    path = directory / f".{secrets.token_hex(8)}{SCRATCH}"
    path.mkdir()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def place_numbered(finished: Path, directory: Path) -> int:
    """Give something finished the next free number of a directory as its name.

    Parameters
    ----------
    finished : Path
        A directory in that one, under a hidden name, that holds something: it is renamed once all below is on the disk.
    directory : Path

    Returns
    -------
    int
        The number, which nobody else got.

    Raises
    ------
    OSError
        It cannot be written.
    """
    for each in [*finished.rglob("*"), finished]:
        sync(each)
    number = max(numbers_in(directory), default=0) + 1
    while True:
        target = directory / str(number)
        try:
            os.rename(finished, target)  # which never takes the place of a filled directory
        except OSError as error:
            if error.errno not in _TAKEN:
                raise
            number += 1
        else:
            sync(directory)
            return number
