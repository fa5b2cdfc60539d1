"""Where a large row group may be cut so that no page of it is opened for two shards."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection

import numpy as np

from scalable.data.footers import Footer
from scalable.data.readers.compressed import KNOWN
from scalable.data.readers.layout import RowGroup, column_places, file_metadata, row_groups
from scalable.errors import DataError
from scalable.kernels.parquet import coded, pages
from scalable.kernels.parquet.codecs import UNCOMPRESSED
from scalable.storage.files import is_local

_ENTERED = sum(
    1 << encoding
    for encoding in (
        pages.PLAIN, pages.PLAIN_DICTIONARY, pages.RLE, pages.BIT_PACKED, pages.DELTA_BINARY_PACKED,
        pages.RLE_DICTIONARY,
    )
)  # fmt: skip
MOST_COLUMNS = 64  # that are looked at, of a wide table


def page_starts(footer: Footer, start: int, stop: int) -> list[int]:
    """Return the rows of ``[start, stop)`` where compressed pages begin, ascending.

    Pages of different columns may begin at different rows: those are told that hold most bytes. None are where pages
    are not compressed, which are entered anywhere, or are not decoded by us.
    """
    if not is_local(footer.path):
        return []
    try:
        descriptor = os.open(footer.path, os.O_RDONLY)
    except OSError:  # told by whoever reads it
        return []
    try:
        found = (
            starts for group in row_groups(footer, start, stop) for starts in _of_group(group, descriptor)
        )
        return [row for row in found if start <= row < stop]
    except (DataError, OSError):
        return []
    finally:
        os.close(descriptor)


def _of_group(group: RowGroup, descriptor: int) -> list[int]:
    names = list(group.columns)
    count = min(MOST_COLUMNS, len(names))
    weights: dict[bytes, int] = defaultdict(int)  # by the rows, as bytes
    for name in (names[len(names) * k // count] for k in range(count)):
        codec = int(group.chunks[group.columns[name][0]]["codec"])
        if codec == UNCOMPRESSED or codec not in KNOWN:
            continue
        found = group.pages(descriptor, name, group.last)
        if found is not None:
            weights[found.table[:, coded.FIRST].tobytes()] += int(found.table[:, coded.WHOLE].sum())
    if not weights:
        return []
    return [int(row) for row in np.frombuffer(max(weights, key=lambda rows: weights[rows]), np.int64)]


def entered_anywhere(footer: Footer, names: Collection[str]) -> bool:
    """Return whether columns of a file are decoded from any row on, rather than from where their row group begins."""
    if not is_local(footer.path):
        return False
    _, tables, _ = file_metadata(footer.path, footer.version)
    places = column_places(footer.path, footer.version)
    chosen = [places[name][0] for name in names if name in places]
    chunks = tables.chunks[:, chosen]
    return bool(np.isin(chunks["codec"], KNOWN).all() and not (chunks["encodings"] & ~_ENTERED).any())
