"""What a machine has to spare: memory, and room for files that lie in its page cache."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

SHARE = 4  # of what is spare, one part is taken without being asked for
_KEEP_SIZE, _BLOCK = 1, 2**12
_IN_MEMORY = ("tmpfs", "ramfs")


def spare_memory() -> int:
    """Return the bytes that may still be used here: of the machine, or of the control group if that is less."""
    import psutil

    room = int(psutil.virtual_memory().available)
    for names in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
        for group in _control_groups():
            try:
                limit, used = ((group / name).read_text().strip() for name in names)
                fields = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
            except (OSError, ValueError):
                continue
            if limit != "max":  # file pages that nobody uses are given back when memory is wanted
                inactive = int(fields.get("total_inactive_file", fields.get("inactive_file", 0)))
                room = min(room, max(0, int(limit) - int(used) + inactive))
    return room


def _control_groups() -> list[Path]:
    """Return the directories of this process's memory control group, of either version, and of a container's."""
    root = Path("/sys/fs/cgroup")
    found = [root, root / "memory"]
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, name = line.split(":", 2)
            if controllers == "" or "memory" in controllers.split(","):
                found.append((root if controllers == "" else root / "memory") / name.lstrip("/"))
    return found


def spare_page_cache() -> int:
    """Return the bytes of temporary files that may lie in the page cache: a share of memory and of the disk.

    0 where temporary files lie in memory themselves: the system could not take that back.
    """
    place = os.path.realpath(tempfile.gettempdir())
    if _file_system(place) in _IN_MEMORY:
        return 0
    return min(spare_memory(), shutil.disk_usage(place).free) // SHARE


def allocate(file: int, begin: int, end: int) -> None:
    """Have the disk give room for a range of an open file, where it can: writing it then takes half the time.

    Raises
    ------
    OSError
        When the disk is full.
    """
    fallocate = _fallocate()
    if fallocate is None:
        return
    at = begin - begin % _BLOCK
    if fallocate(file, _KEEP_SIZE, ctypes.c_int64(at), ctypes.c_int64(end - at)):
        number = ctypes.get_errno()
        if number in (errno.ENOSPC, errno.EDQUOT):
            raise OSError(number, os.strerror(number))


@functools.cache
def _fallocate() -> Any:
    """Return the system's function; None on macOS."""
    return getattr(ctypes.CDLL(None, use_errno=True), "fallocate", None)


def _file_system(place: str) -> str:
    """Return the kind of file system that a directory lies on; empty where that is not known."""
    kinds = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/mounts").read_text().splitlines():
            _, at, kind, *_ = line.split(" ")
            kinds[at] = kind
    while place not in kinds and place != os.path.dirname(place):
        place = os.path.dirname(place)
    return kinds.get(place, "")
