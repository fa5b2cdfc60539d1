"""Telling the system what will be read next, so that the disk works while the processors do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress

import numpy as np

from scalable.data.footers import Footer
from scalable.data.readers.held import expect_rows
from scalable.data.readers.layout import RowGroup, row_groups
from scalable.data.readers.page_starts import stored_bytes
from scalable.data.shard import Shard
from scalable.storage.files import Range, is_local, store_of
from scalable.storage.local import forget, read_ahead

GAP_BYTES = (
    2**16
)  # between two columns that are asked for; reading across it costs less than a second request


def expect_columns(footer: Footer, names: Collection[str], start: int, stop: int) -> bool:
    """Read the columns of rows ``[start, stop)`` into the page cache, or have them fetched and do not wait for that.

    Where the file is gone, nothing happens. Returns whether all was there already.
    """
    with suppress(OSError, ValueError):
        if not is_local(footer.path):
            return expect_rows(footer, names, start, stop)
        return read_ahead(footer.path, list(_ranges(row_groups(footer, start, stop), names, start, stop)))
    return False


def forget_columns(footer: Footer, names: Collection[str], start: int, stop: int) -> None:
    """Have the page cache let go of the columns of rows ``[start, stop)`` of a file of this machine; only a hint."""
    with suppress(OSError, ValueError):
        forget(footer.path, list(_ranges(row_groups(footer, start, stop), names, start, stop)))


def exceed(
    footers: Mapping[int, Footer], names: Collection[str], shards: Iterable[Shard], n_bytes: int
) -> bool:
    """Return whether columns of shards, of files by their number, take more than so many bytes."""
    rows = Counter[int]()
    for shard in shards:
        rows[shard.file] += shard.n_rows
    if sum(footers[file].version.size for file in rows) <= n_bytes:  # layouts are not read for that
        return False
    of = {file: stored_bytes(footers[file], names) / sum(footers[file].row_groups) for file in rows}
    return sum(of[file] * n_rows for file, n_rows in rows.items()) > n_bytes


def expect_no_more(paths: Collection[str]) -> None:
    """Forget what was asked for of some files and was not begun to be fetched; who reads on will ask again."""
    away = [path for path in paths if not is_local(path)]
    for store in {store_of(path) for path in away}:
        store.expect_no_more(away)


def _ranges(groups: Iterable[RowGroup], names: Collection[str], start: int, stop: int) -> Iterator[Range]:
    """Yield the places of what holds the columns; of part of a row group, the like part of each column."""
    begin = end = 0
    for group in groups:
        low, high = max(start, group.first), min(stop, group.last)
        spans, at = group.spans(names), np.array([low, high]) - group.first
        parts = spans[:, :1] + (spans[:, 1:] - spans[:, :1]) * at // group.n_rows
        for left, right in sorted(parts.tolist()):
            if left - end > GAP_BYTES or left < begin:
                if end > begin:
                    yield begin, end
                begin, end = left, right
            else:
                end = max(end, right)
    if end > begin:
        yield begin, end
