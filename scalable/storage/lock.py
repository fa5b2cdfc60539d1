"""Directories that several processes of a machine use at once: nobody removes one that another uses."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class SharedDirectory:
    """A directory, made where it is missing, that is in use as long as this lives.

    Copies in other processes hold no lock.

    Parameters
    ----------
    path : path
        The directory; those above it are there.

    Raises
    ------
    OSError
        When it cannot be made.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._descriptor = _made_and_locked(self.path)

    def __reduce__(self) -> tuple[object, ...]:
        return _without_lock, (os.path.abspath(self.path),)

    def release(self) -> None:
        """Use it no longer."""
        descriptor, self._descriptor = getattr(self, "_descriptor", -1), -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        self.release()


def remove_unused(directory: str | os.PathLike[str]) -> None:
    """Remove a directory that no `SharedDirectory` of any process uses; else do nothing."""
    with suppress(OSError):  # in use, gone, or somebody else's
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(directory, ignore_errors=True)
        finally:
            os.close(descriptor)


@contextmanager
def writing_alone(directory: str | os.PathLike[str], busy: Exception | None = None) -> Iterator[None]:
    """Hold a local directory, made where it can be, against others of this machine that would write there, too.

    Raises
    ------
    Exception
        `busy`, or else a BlockingIOError, when another process, or another thread, does.
    """
    descriptor = -1
    try:
        try:
            os.makedirs(directory, exist_ok=True)
            descriptor = os.open(directory, os.O_RDONLY)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise (busy or error) from None
        except OSError:  # it cannot be made, or is of a file system without locks
            pass
        yield
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _without_lock(path: str) -> SharedDirectory:
    directory = object.__new__(SharedDirectory)
    directory.path, directory._descriptor = Path(path), -1
    return directory


def _made_and_locked(directory: Path) -> int:
    """Make a directory and share its lock; return the descriptor that holds it."""
    while True:
        directory.mkdir(exist_ok=True)
        try:
            descriptor = os.open(directory, os.O_RDONLY)
        except FileNotFoundError:  # removed since, before anybody had locked it
            continue
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        with suppress(FileNotFoundError):  # removed by whoever had the lock before: once more
            if os.path.samestat(os.stat(directory), os.fstat(descriptor)):
                return descriptor
        os.close(descriptor)
