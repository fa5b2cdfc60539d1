"""Where a large row group may be cut so that no page of it is opened for two shards."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from scalable.data.footers import Footer
from scalable.data.readers.compressed import KNOWN
from scalable.data.readers.held import held
from scalable.data.readers.layout import RowGroup, file_layout, row_groups
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


def page_starts(footer: Footer, start: int, stop: int) -> list[int]:
    """Return the rows of ``[start, stop)`` where compressed pages begin, ascending.

    Pages of different columns may begin at different rows: those are told of one column, the largest of the kind that
    holds most bytes, so that of an object one chunk is fetched for it. None are where pages are not compressed, which
    are entered anywhere, or are not decoded by us.

    Raises
    ------
    DataError
        The chunk cannot be fetched.
    """
    found = (row for group in row_groups(footer, start, stop) for row in _of_group(footer, group))
    return [row for row in found if start <= row < stop]


def _of_group(footer: Footer, group: RowGroup) -> list[int]:
    name = _largest(group)
    if name is None:
        return []
    try:
        with held(footer, [name], group.first, group.last) as here:
            descriptor = os.open(here.local, os.O_RDONLY)
            try:
                found = group.pages(descriptor, name, group.last)
            finally:
                os.close(descriptor)
    except DataError:  # told by whoever reads it
        return []
    except OSError as error:
        if is_local(footer.path):  # likewise
            return []
        raise DataError(f"{footer.path}: cannot be read ({error.strerror or error})") from error
    return [] if found is None else found.table[:, coded.FIRST].tolist()


def _largest(group: RowGroup) -> str | None:
    """Return the largest column among those of the type and the encodings that take most bytes, if it is compressed."""
    kinds: dict[tuple[int, int], list[tuple[int, str]]] = defaultdict(list)
    for name, shape in group.columns.items():
        chunk = group.chunks[shape.place]
        if chunk["codec"] != UNCOMPRESSED and chunk["codec"] in KNOWN:
            kinds[int(chunk["physical"]), int(chunk["encodings"])].append((int(chunk["stored_bytes"]), name))
    if not kinds:
        return None
    return max(max(kinds.values(), key=lambda found: sum(size for size, _ in found)))[1]


def stored_bytes(footer: Footer, names: Collection[str]) -> int:
    """Return what columns take in a file."""
    return int(_chunks(footer, names)["stored_bytes"].sum())


def _chunks(footer: Footer, names: Collection[str]) -> NDArray[np.void]:
    file = file_layout(footer.path, footer.version)
    places = file.columns
    return file.tables.chunks[:, [places[name].place for name in names if name in places]]


def entered_anywhere(footer: Footer, names: Collection[str]) -> bool:
    """Return whether columns of a file are decoded from any row on, rather than from where their row group begins."""
    chunks = _chunks(footer, names)
    return bool(np.isin(chunks["codec"], KNOWN).all() and not (chunks["encodings"] & ~_ENTERED).any())
