"""Columns that stay in their file until a kernel reads them, a piece at a time, where it uses them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scalable.data.footers import Footer
from scalable.data.readers.held import OpenFile, opened
from scalable.data.readers.layout import row_groups
from scalable.errors import DataError
from scalable.kernels.buffers import take
from scalable.kernels.parquet import files


class StoredColumns:
    """Plain columns of a stretch of rows; the file is open as long as this lives.

    Attributes
    ----------
    descriptor : int
        Open file.
    places : int64 array of shape (n_pages, 3)
        Pages of all columns, see `scalable.kernels.parquet.files.gather`.
    bounds : int64 array of shape (n_columns + 1,)
        Where the pages of each column begin.
    """

    def __init__(
        self, path: str, file: OpenFile, pages: Sequence[NDArray[np.int64]], types: Sequence[pa.DataType]
    ) -> None:
        self._path, self._file = path, file
        self.descriptor = file.descriptor
        self.places = np.ascontiguousarray(np.concatenate(pages))  # of one order: kernels compile for each
        self.bounds = np.cumsum([0, *map(len, pages)])
        self._types = tuple(types)
        self._widths = np.array([kind.bit_width // 8 for kind in types], np.int64)

    def read(self, row: int, n_rows: int) -> list[pa.Array]:
        """Return rows of all columns.

        Raises
        ------
        DataError
            When they cannot be read.
        """
        whole: NDArray[np.uint8] = take((int(self._widths.sum()), n_rows), np.uint8)
        failed = files.gather(
            self.descriptor, self.places, self.bounds, self._widths, row, n_rows, whole.reshape(-1)
        )
        if failed >= 0:
            raise DataError(
                f"{self._path}: the page at {self.places[failed, files.OFFSET]:,} cannot be read; the file is "
                "damaged or changed while it was read: write it again"
            )
        buffer = pa.py_buffer(whole)  # keeps `whole`; its slices keep the buffer
        arrays, at = [], 0
        for kind, width in zip(self._types, self._widths.tolist(), strict=True):
            arrays.append(pa.Array.from_buffers(kind, n_rows, [None, buffer.slice(at, width * n_rows)], 0))
            at += width * n_rows
        return arrays


def find_stored(
    footer: Footer,
    kinds: Sequence[pa.DataType],
    names: Sequence[str],
    start: int,
    stop: int,
    beside: Sequence[str] = (),
) -> tuple[StoredColumns | None, list[str]]:
    """Return those columns of rows ``[start, stop)``, of types `kinds`, that are plain, and the names of the others.

    The pages of columns `beside` them, which will be read next, are found with theirs.
    """
    file = opened(footer)
    groups = row_groups(footer, start, stop)
    for group in groups:  # all columns are walked: other readers rely on what is checked here
        group.walk(file.descriptor, [*names, *beside], stop)
    # For each shard anew: a microsecond here is a quarter of what small shards cost.
    places: dict[str, list[NDArray[np.int64]]] = {}
    types: list[pa.DataType] = []
    for name, kind in zip(names, kinds, strict=True):
        found = []
        for group in groups:
            pages = group.walked(name)
            if pages is not None and pages.places is not None and pages.plain(kind):
                found.append(pages.places)
        if len(found) == len(groups):
            places[name] = found
            types.append(kind)
    if not places:
        return None, list(names)
    pages_of = [some[0] if len(some) == 1 else np.concatenate(some) for some in places.values()]
    stored = StoredColumns(footer.path, file, pages_of, types)
    return stored, [name for name in names if name not in places]
