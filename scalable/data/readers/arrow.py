"""Decoding with pyarrow: text, dictionaries, timestamps, byte-stream-split pages, huge row groups.

``ParquetFile.iter_batches`` keeps memory bounded where ``pyarrow.dataset`` scanners do not
(apache/arrow#39808).
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from scalable.data.columns import column_kind
from scalable.data.footers import Footer
from scalable.data.readers.cursor import Cursor

TEXT = pa.dictionary(pa.int32(), pa.string())


def open_with_arrow(
    footer: Footer, schema: pa.Schema, names: Sequence[str], start: int, stop: int, block_rows: int
) -> Cursor:
    """Return a cursor from row `start` to the end of the row group that holds row ``stop - 1``."""
    groups: list[int] = []
    skip = position = 0
    for group, size in enumerate(footer.row_groups):
        if position < stop and position + size > start:
            if not groups:
                skip = start - position
            groups.append(group)
        position += size
    types = [schema.field(name).type for name in names]
    text = [name for name, kind in zip(names, types, strict=True) if column_kind(kind) == "text"]
    file = pq.ParquetFile(footer.path, memory_map=True, read_dictionary=text)
    batches = file.iter_batches(block_rows, row_groups=groups, columns=list(names), use_threads=False)
    pieces = (
        [canonical(batch.column(name), kind) for name, kind in zip(names, types, strict=True)]
        for batch in batches
    )
    return Cursor(pieces, skip, file.close)


def canonical(array: pa.Array, declared: pa.DataType) -> pa.Array:
    """Return text as ``dictionary<int32, string>`` and any other dictionary decoded."""
    if column_kind(declared) == "text":
        if pa.types.is_dictionary(array.type) and array.dictionary.null_count:
            array = array.dictionary_decode()
        if not pa.types.is_dictionary(array.type):
            array = array.cast(pa.string()).dictionary_encode()
        return array if array.type == TEXT else array.cast(TEXT)
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
