"""Putting a finished directory in its place, so that a kill at any moment leaves the old or the new."""

from __future__ import annotations

import ctypes
import os
import shutil
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def place_directory(finished: Path, target: Path) -> None:
    """Rename `finished` to `target` durably; a directory already there is swapped out, then removed.

    Parameters
    ----------
    finished : path
        A complete directory on the same file system, its files already fsynced.
    target : path
        Where it belongs.

    Raises
    ------
    OSError
        When it cannot be renamed; `target` is then as it was.
    """
    _sync(finished)
    if not target.exists():
        finished.rename(target)
    elif _exchange(finished, target):
        shutil.rmtree(finished, ignore_errors=True)
    else:  # file systems without exchange: a kill between the two renames leaves the old one beside
        retired = target.with_name(f".{target.name}.old-{os.getpid()}")
        target.rename(retired)
        try:
            finished.rename(target)
        except OSError:
            retired.rename(target)
            raise
        shutil.rmtree(retired)
    _sync(target.parent)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two names in one step (Linux ``renameat2``); False where that is not possible."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    return bool(renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
