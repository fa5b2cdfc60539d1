"""Telling the system what will be read next, so that the disk works while the processors do."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator

from scalable.data.footers import Footer
from scalable.data.readers.layout import RowGroup, row_groups
from scalable.storage.files import store_of

GAP_BYTES = (
    2**16
)  # between two columns that are asked for; reading across it costs less than a second request


def expect_columns(footer: Footer, names: Collection[str], start: int, stop: int) -> None:
    """Ask the system to read the columns of rows ``[start, stop)`` into the page cache, and do not wait.

    Only a hint: where it cannot be given, or the file is gone, nothing happens.
    """
    advise = getattr(os, "posix_fadvise", None)  # not on macOS
    if advise is None:
        return
    try:
        groups = row_groups(footer, start, stop)
        descriptor = store_of(footer.path).descriptor(footer.path)
    except (OSError, ValueError):
        return
    if descriptor is None:
        return
    try:
        for offset, size in _ranges(groups, names, start, stop):
            advise(descriptor, offset, size, os.POSIX_FADV_WILLNEED)
    except OSError:  # a file system that takes no hints
        pass
    finally:
        os.close(descriptor)


def _ranges(
    groups: Iterable[RowGroup], names: Collection[str], start: int, stop: int
) -> Iterator[tuple[int, int]]:
    """Yield offset and size of what holds the columns; of part of a row group, the like part of each column."""
    begin = end = 0
    for group in groups:
        low, high = max(start, group.first), min(stop, group.last)
        for left, right in sorted(_chunks(group, names, low, high)):
            if left - end > GAP_BYTES or left < begin:
                if end > begin:
                    yield begin, end - begin
                begin, end = left, right
            else:
                end = max(end, right)
    if end > begin:
        yield begin, end - begin


def _chunks(group: RowGroup, names: Collection[str], low: int, high: int) -> Iterator[tuple[int, int]]:
    """Yield where rows ``[low, high)`` of each column begin and end."""
    for name in names:
        place = group.bytes_of(name)
        if place is None:
            continue
        first, end = place
        share = (end - first) / group.n_rows
        yield first + int(share * (low - group.first)), first + int(share * (high - group.first))
