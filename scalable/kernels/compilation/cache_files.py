"""Files of compiled kernels: sealed, so that a damaged one is made again, and only where nobody else can write.

Numba unpickles what it finds in its cache and runs the machine code in it.
"""

from __future__ import annotations

import fcntl
import grp
import hashlib
import os
import pwd
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from numba.core import caching

_SEAL_BYTES = 32
PATIENCE = 120.0  # seconds for another process, which may be frozen, to compile what this one needs


class SealedCacheFile(caching.IndexDataCacheFile):
    """Numba's index and data files, each with a checksum at its end; what does not match it is dropped."""

    def _load_index(self) -> Any:
        content = self._unsealed(self._index_path)
        stamp, overloads = (None, {}) if content is None else caching.pickle.loads(content)
        return overloads if stamp == self._source_stamp else {}

    def _save_index(self, overloads: Any) -> None:
        self._write(self._index_path, (self._source_stamp, overloads))

    def _load_data(self, name: str) -> Any:
        content = self._unsealed(self._data_path(name))
        if content is None:
            raise FileNotFoundError(name)  # Numba compiles it then
        return caching.pickle.loads(content)

    def _save_data(self, name: str, data: Any) -> None:
        self._write(self._data_path(name), data)

    def _write(self, path: str, what: Any) -> None:
        content = self._dump(what)
        with self._open_for_write(path) as file:
            file.write(content + hashlib.blake2b(content, digest_size=_SEAL_BYTES).digest())

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Keep other processes from compiling the same function, and from writing its index, meanwhile.

        Where no lock is to be had, or its holder takes too long, the work is done twice: files are replaced whole.
        """
        try:
            lock = os.open(f"{self._index_path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            yield
            return
        try:
            until = time.monotonic() + PATIENCE
            while time.monotonic() < until:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    time.sleep(0.02)
                except OSError:  # a file system without locks
                    break
            yield
        finally:
            os.close(lock)

    @staticmethod
    def _unsealed(path: str) -> bytes | None:
        try:
            with open(path, "rb") as file:
                whole = file.read()
        except FileNotFoundError:
            return None
        content, seal = whole[:-_SEAL_BYTES], whole[-_SEAL_BYTES:]
        if hashlib.blake2b(content, digest_size=_SEAL_BYTES).digest() == seal:
            return content
        with suppress(OSError):
            os.unlink(path)
        return None


def make_private(path: Path) -> None:
    """Make a directory and what is missing above it, for this user alone whatever the umask."""
    for place in [*reversed(path.parents), path]:
        with suppress(FileExistsError):
            place.mkdir(mode=0o700)


def is_private(path: Path) -> bool:
    """Return whether nobody but this user and root can put files at a path, or another directory in its place."""
    place = path.resolve()
    return not _open_to_others(place.stat(), sticky_is_safe=False) and not any(
        _open_to_others(above.stat(), sticky_is_safe=True) for above in place.parents
    )


def _open_to_others(status: os.stat_result, *, sticky_is_safe: bool) -> bool:
    if status.st_uid not in (0, os.getuid()):
        return True
    if sticky_is_safe and status.st_mode & stat.S_ISVTX:
        return False
    group = status.st_mode & stat.S_IWGRP and not _own_group(status.st_gid)
    return bool(group or status.st_mode & stat.S_IWOTH)


def _own_group(number: int) -> bool:
    """Return whether a group is the one of this user alone that many systems make with the user."""
    try:
        group, user = grp.getgrgid(number), pwd.getpwuid(os.getuid())
    except KeyError:
        return False
    return group.gr_name == user.pw_name and not set(group.gr_mem) - {user.pw_name}
