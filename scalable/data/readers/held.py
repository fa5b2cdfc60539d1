"""The bytes of a range of rows as a local file, whatever store keeps the file of the dataset."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from scalable.data.footers import Footer
from scalable.data.readers.layout import RowGroup, file_layout, row_groups
from scalable.storage.files import Range, Version, is_local, store_of

KEPT_OPEN = 8  # files that are read from by turns
_lock = threading.Lock()
_open: OrderedDict[tuple[str, Version], OpenFile] = OrderedDict()


class OpenFile:
    """A file open for reading, closed when nobody holds this any more.

    Attributes
    ----------
    descriptor : int
    """

    __slots__ = ("descriptor",)

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __del__(self) -> None:
        if os is not None:  # modules are emptied first when the interpreter ends
            os.close(self.descriptor)


def opened(footer: Footer) -> OpenFile:
    """Return the open file of a footer, one for all shards of it and all threads.

    Each system call of Python gives the interpreter's lock away and waits for it again: to open and close a file for
    each shard takes two threads longer than all else that is done for it.

    Raises
    ------
    OSError
        When it cannot be opened.
    """
    if footer.place:  # a copy, whose place may be another's later
        return OpenFile(os.open(footer.local, os.O_RDONLY))
    key = (footer.path, footer.version)
    with _lock:
        if (found := _open.get(key)) is not None:
            _open.move_to_end(key)
            return found
    found = OpenFile(os.open(footer.path, os.O_RDONLY))
    with _lock:
        found = _open.setdefault(key, found)
        displaced = [_open.popitem(last=False) for _ in range(len(_open) - KEPT_OPEN)]
    del displaced  # closed where nobody waits for it
    return found


def close_files(paths: Collection[str]) -> None:
    """Let go of the open files of some paths."""
    with _lock:
        gone = [_open.pop(key) for key in list(_open) if key[0] in paths]
    del gone


@contextmanager
def held(footer: Footer, names: Collection[str], start: int, stop: int) -> Iterator[Footer]:
    """Yield a footer whose `place` holds the columns of rows ``[start, stop)``, for readers of local files.

    Raises
    ------
    OSError
        When they cannot be had, or the file is another one now.
    """
    if is_local(footer.path):
        yield footer
        return
    with store_of(footer.path).local_copy(*wanted(footer, names, start, stop)) as place:
        yield replace(footer, place=place)


def expect_rows(footer: Footer, names: Collection[str], start: int, stop: int) -> bool:
    """Begin to fetch what `held` will be asked for; return whether all of it is there."""
    return store_of(footer.path).expect(*wanted(footer, names, start, stop))


def wanted(
    footer: Footer, names: Collection[str], start: int, stop: int
) -> tuple[str, Version, tuple[int, int], list[Range]]:
    """Return path, version, part and ranges of a local copy that holds these rows."""
    groups = row_groups(footer, start, stop)
    end, n_bytes = footer.version.size, file_layout(footer.path, footer.version).tables.n_bytes
    tail = (end - 8 - n_bytes, end)  # some readers want to see the footer themselves
    part = (groups[0].number, groups[-1].number)
    return footer.path, footer.version, part, [tail, *_chunks(groups, names)]


def _chunks(groups: Iterable[RowGroup], names: Collection[str]) -> Iterator[Range]:
    """Yield whole column chunks: most readers begin at their beginnings."""
    for group in groups:
        yield from map(tuple, group.spans(names).tolist())
