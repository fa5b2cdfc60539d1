"""Compressed pages, dictionaries, differences, bits and nulls, decoded by a kernel of ours: a call a block.

General readers open a scan for every shard, build text by the value and hold whole row groups; what this
reads it reads page by page, starting anywhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from numpy.typing import NDArray

from scalable.data.footers import Footer
from scalable.data.readers.coded_layout import CodedColumn, decoded_by_us, result_bytes
from scalable.data.readers.compressed import BY_KERNEL, KNOWN, for_others, open_page, work_space
from scalable.data.readers.cursor import Columns, Cursor
from scalable.data.readers.held import OpenFile, opened
from scalable.data.readers.layout import row_groups
from scalable.errors import DataError
from scalable.kernels.buffers import LINE, take
from scalable.kernels.parquet import codecs, coded
from scalable.kernels.parquet.runs import PADDING

NO_PAGE = -1
KEPT_BYTES = (
    2**26
)  # most room for pages that the next block goes on with; without it they are decompressed again
_COMPRESSED = np.isin(np.arange(256), BY_KERNEL) & (np.arange(256) != codecs.UNCOMPRESSED)  # by codec
_NOTHING = np.empty(0, np.uint8)
MINI_BLOCK = 4096  # most values of a mini-block of differences; writers make 32


class CodedReader:
    """Decodes columns of one row group.

    Parameters
    ----------
    path : str
        For messages.
    file : OpenFile
    columns : sequence of CodedColumn
    types : sequence of pyarrow.DataType
        What they become.
    """

    def __init__(
        self, path: str, file: OpenFile, columns: Sequence[CodedColumn], types: Sequence[pa.DataType]
    ) -> None:
        self._path, self._file, self._descriptor = path, file, file.descriptor
        self._opened = np.zeros(1, np.int64)
        self._columns, self._types = tuple(columns), tuple(types)
        self._widths = [
            4 if _texts(c) is not None else result_bytes(t) for c, t in zip(columns, types, strict=True)
        ]
        self._pages = np.concatenate([column.pages for column in columns])
        self._table = np.zeros((len(columns), coded.COLUMN_FIELDS), np.int64)
        ends = np.cumsum([len(column.pages) for column in columns])
        self._table[:, coded.END] = ends
        self._table[1:, coded.BEGIN] = ends[:-1]
        for row, column, width in zip(self._table, columns, self._widths, strict=True):
            row[coded.SOURCE_BYTES], row[coded.BYTES] = column.source_bytes, width
            if column.dictionary is not None:
                row[coded.TABLE_SIZE] = column.dictionary.size
                if column.dictionary.values is not None:
                    row[coded.TABLE] = column.dictionary.values.ctypes.data
        rows = int((self._pages[:, coded.STOP] - self._pages[:, coded.FIRST]).max())
        self._others = for_others(self._pages)
        self._held: dict[int, NDArray[np.uint8]] = {}
        self._kept: NDArray[np.uint8] | None = None
        self._space = work_space(self._pages)
        self._buffer, self._stored = self._space.buffer, self._space.stored
        self._valid, self._codes = np.empty(rows + 1, np.uint8), np.empty(rows + 1, np.uint32)
        self._words, self._some = np.empty(rows + 1, np.uint64), np.empty(MINI_BLOCK, np.uint64)

    @property
    def opened(self) -> int:
        """Values of the pages that were opened so far, of all columns."""
        return int(self._opened[0])

    def _keep(self) -> None:
        """Make room for the page of each column that a block ends in, so that none is decompressed twice."""
        compressed = _COMPRESSED[self._pages[:, coded.CODEC]]
        self._kept = _NOTHING
        if not compressed.any():
            return
        columns = np.maximum.reduceat(compressed, self._table[:, coded.BEGIN])
        largest = np.maximum.reduceat(self._pages[:, coded.WHOLE], self._table[:, coded.BEGIN])
        sizes = np.where(columns, -(-(largest + PADDING) // LINE) * LINE, 0)
        self._table[:, coded.KEPT_PAGE] = NO_PAGE
        if sizes.sum() <= KEPT_BYTES:
            self._kept = take((1, int(sizes.sum())), np.uint8)
            places = self._kept.ctypes.data + np.cumsum(sizes) - sizes
            self._table[:, coded.KEPT] = np.where(columns, places, 0)

    def _bring(self, row: int, stop: int) -> None:
        """Decompress pages that no kernel does, as far as they are wanted; let go those that are done with."""
        if not self._others.size:
            return
        first, last = self._pages[self._others, coded.FIRST], self._pages[self._others, coded.STOP]
        wanted = self._others[(first < stop) & (last > row)].tolist()
        for p in self._held.keys() - wanted:
            del self._held[p]
            self._pages[p, coded.ADDRESS] = 0
        for p in wanted:
            if p not in self._held:
                self._held[p] = open_page(self._descriptor, self._pages[p])
                self._opened += self._pages[p, coded.STOP] - self._pages[p, coded.FIRST]

    def read(self, row: int, n_rows: int) -> Columns:
        """Return rows of all columns.

        Raises
        ------
        DataError
            When a page cannot be read or decoded.
        """
        if self._kept is None:
            self._keep()
        size = -(-n_rows // 64) * 64
        whole: NDArray[np.uint8] = take((sum(self._widths) + len(self._widths), size), np.uint8)
        buffer, at = pa.py_buffer(whole), 0
        places = []
        counts = np.zeros((len(self._widths), 2), np.int64)
        for width, described in zip(self._widths, self._table, strict=True):
            described[coded.OUT] = buffer.address + at
            described[coded.VALID] = buffer.address + at + width * size
            places.append((at, at + width * size))
            at += (width + 1) * size
        present = np.empty(n_rows, np.uint8)
        self._bring(row, row + n_rows)
        failed = coded.decode_columns(
            self._descriptor, self._pages, self._table, row, n_rows, self._buffer, self._stored, self._valid, present,
            self._codes, self._words, self._some, counts,
        )  # fmt: skip
        self._opened += int(counts[:, 1].sum())
        if failed >= 0:
            raise DataError(
                f"{self._path}: rows {row:,} to {row + n_rows:,} cannot be decoded (the page at "
                f"{self._pages[failed, coded.OFFSET]:,}); the file is damaged or "
                "changed while it was read: write it again"
            )
        return [
            _array(column, kind, n_rows, buffer, *place, int(missing))
            for column, kind, place, missing in zip(
                self._columns, self._types, places, counts[:, 0], strict=True
            )
        ]


def _texts(column: CodedColumn) -> pa.Array | None:
    return None if column.dictionary is None else column.dictionary.texts


def _array(
    column: CodedColumn, kind: pa.DataType, n: int, buffer: pa.Buffer, at: int, valid_at: int, nulls: int
) -> pa.Array:
    bitmap = buffer.slice(valid_at, (n + 7) // 8) if nulls else None
    data = buffer.slice(at)
    texts = _texts(column)
    if texts is not None:
        codes = pa.Array.from_buffers(pa.int32(), n, [bitmap, data], nulls)
        return pa.DictionaryArray.from_arrays(codes, texts, safe=False)
    if pt.is_boolean(kind):
        bits = np.packbits(np.frombuffer(data, np.uint8, n), bitorder="little")
        data = pa.py_buffer(bits)
    return pa.Array.from_buffers(kind, n, [bitmap, data], nulls)


def open_with_codes(
    footer: Footer,
    schema: pa.Schema,
    names: Sequence[str],
    start: int,
    stop: int,
    block_rows: int,
    codecs_read: Collection[int] = KNOWN,
) -> tuple[Cursor | None, list[str]]:
    """Return a cursor over those columns of rows ``[start, stop)`` that can be decoded, and the names of the others.

    Columns of other codecs than `codecs_read` are among the others.
    """
    file = opened(footer)
    groups = row_groups(footer, start, stop)
    for group in groups:
        group.walk(file.descriptor, names, stop)
    kinds = {name: schema.field(name).type for name in names}
    found = zip(
        *(decoded_by_us(g, file.descriptor, names, list(kinds.values()), codecs_read) for g in groups),
        strict=True,
    )
    chosen = {n: [c for c in cs if c is not None] for n, cs in zip(names, found, strict=True) if all(cs)}
    for name, columns in chosen.items():
        _check_texts(name, columns)
    if not chosen:
        return None, list(names)
    types = [schema.field(name).type for name in chosen]

    def pieces() -> Iterator[Columns]:
        for k, group in enumerate(groups):
            reader = CodedReader(footer.path, file, [columns[k] for columns in chosen.values()], types)
            for row in range(max(start, group.first), min(stop, group.last), block_rows):
                yield reader.read(row, min(block_rows, min(stop, group.last) - row))

    return Cursor(pieces(), 0, lambda: None), [name for name in names if name not in chosen]


def _check_texts(name: str, columns: Sequence[CodedColumn]) -> None:
    for column in columns:
        texts = _texts(column)
        if texts is not None:
            try:
                texts.validate(full=True)
            except pa.ArrowInvalid as error:
                raise pa.ArrowInvalid(f"column {name!r} is not text: {error}") from error
