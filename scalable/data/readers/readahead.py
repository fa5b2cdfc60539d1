"""Telling the system what will be read next, so that the disk works while the processors do."""

from __future__ import annotations

import os
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator

import pyarrow.parquet as pq

from scalable.data.footers import Footer
from scalable.data.readers.layout import file_metadata

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
        metadata, starts = file_metadata(footer.path, footer.size, footer.modified_ns)
        descriptor = os.open(footer.path, os.O_RDONLY)
    except (OSError, ValueError):
        return
    try:
        for offset, size in _ranges(metadata, starts, names, start, stop):
            advise(descriptor, offset, size, os.POSIX_FADV_WILLNEED)
    except OSError:  # a file system that takes no hints
        pass
    finally:
        os.close(descriptor)


def _ranges(
    metadata: pq.FileMetaData, starts: list[int], names: Collection[str], start: int, stop: int
) -> Iterator[tuple[int, int]]:
    """Yield offset and size of what holds the columns; of part of a row group, the like part of each column."""
    begin = end = 0
    for group in range(bisect_right(starts, start) - 1, bisect_left(starts, stop)):
        low, high = max(start, starts[group]), min(stop, starts[group + 1])
        row_group, rows = metadata.row_group(group), starts[group + 1] - starts[group]
        for i in range(metadata.num_columns):
            column = row_group.column(i)
            if column.path_in_schema not in names:
                continue
            first, size = column.data_page_offset, column.total_compressed_size
            if column.has_dictionary_page and column.dictionary_page_offset is not None:
                first = min(first, column.dictionary_page_offset)
            left = first + size * (low - starts[group]) // rows
            right = first + size * (high - starts[group]) // rows
            if left - end > GAP_BYTES or left < begin:
                if end > begin:
                    yield begin, end - begin
                begin, end = left, right
            else:
                end = max(end, right)
    if end > begin:
        yield begin, end - begin
