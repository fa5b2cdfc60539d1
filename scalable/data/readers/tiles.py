"""Compressed columns that stay in their file until a kernel decodes them, a page at a time, where it uses them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scalable.data.footers import Footer
from scalable.data.readers.coded import CodedReader
from scalable.data.readers.coded_layout import CodedColumn, decoded_by_us
from scalable.data.readers.compressed import BY_KERNEL
from scalable.data.readers.held import OpenFile, opened
from scalable.data.readers.layout import row_groups
from scalable.kernels.buffers import LINE, take
from scalable.kernels.jit import Pending
from scalable.kernels.parquet import coded, tiles
from scalable.kernels.parquet.runs import PADDING

# Values that are decoded block by block before the kernel is worth compiling.
TILES = Pending(tiles.tile_address, 2**28)
MOST_BYTES = 2**25  # of a page of each column in memory; larger pages are decoded a block at a time


class TileReader(CodedReader):
    """Float32 columns of one row group for kernels that decode them; the file is open as long as this lives.

    Attributes
    ----------
    tiles : scalable.kernels.parquet.tiles.TileColumns
        What kernels take; of one thread at a time.
    """

    def __init__(
        self, path: str, file: OpenFile, columns: Sequence[CodedColumn], types: Sequence[pa.DataType]
    ) -> None:
        super().__init__(path, file, columns, types)
        room = _room(self._pages)
        self._room = take((len(columns), room), np.uint8)
        table = self._table.copy()
        table[:, coded.OUT] = self._room.ctypes.data + room * np.arange(len(columns))
        here = np.zeros((len(columns), tiles.HERE_FIELDS), np.int64)
        here[:, tiles.PAGE] = tiles.NONE
        self.tiles = tiles.TileColumns(
            file.descriptor, self._pages, table, here, self._opened, self._buffer, self._stored, self._valid,
            self._codes, self._words, self._some,
        )  # fmt: skip


def _room(pages: NDArray[np.int64]) -> int:
    """Return the bytes that any of these pages takes in memory, with what is read beyond it."""
    rows = int((pages[:, coded.STOP] - pages[:, coded.FIRST]).max())
    largest = max(int(pages[:, coded.WHOLE].max()), rows * np.float32().itemsize)
    return -(-(largest + PADDING) // LINE) * LINE + LINE


def find_tiles(
    footer: Footer, kinds: Sequence[pa.DataType], names: Sequence[str], start: int, stop: int
) -> TileReader | None:
    """Return columns, of types `kinds`, of rows ``[start, stop)`` of one row group, where all can be decoded so."""
    groups = row_groups(footer, start, stop)
    if len(groups) != 1 or not TILES.pays((stop - start) * len(names)):
        return None
    file = opened(footer)
    groups[0].walk(file.descriptor, names, stop)
    found = decoded_by_us(groups[0], file.descriptor, names, kinds, BY_KERNEL)
    columns = [column for column in found if column is not None]
    small = all(len(names) * _room(column.pages) <= MOST_BYTES for column in columns[:1])
    return TileReader(footer.path, file, columns, kinds) if len(columns) == len(names) and small else None
