"""Decoding with pyarrow: text, dictionaries, timestamps, byte-stream-split pages, huge row groups.

``ParquetFile.iter_batches`` keeps memory bounded where ``pyarrow.dataset`` scanners do not
(apache/arrow#39808). Files are not memory-mapped, because a file that is truncated while it is
mapped kills the process. Without a buffer size a whole column chunk would be read at once, and
with pre-buffering all row groups asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from scalable.data.columns import column_kind
from scalable.data.footers import Footer
from scalable.data.readers.cursor import Cursor
from scalable.data.readers.layout import file_layout, file_metadata
from scalable.data.types.logical import categories_of, family
from scalable.errors import DataError

BUFFER_BYTES = 2**17
FAR = 2**63 // 1000 - 10**6  # microseconds that fit in 64 bits as nanoseconds
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
    text = [name for name, kind in zip(names, types, strict=True) if family(kind) == "text"]
    metadata = file_metadata(footer.path, footer.version)  # parsed once for all readers
    file = pq.ParquetFile(
        footer.local,
        metadata=metadata,
        read_dictionary=_text_of_pages(footer, text, groups),
        coerce_int96_timestamp_unit="us",
        buffer_size=BUFFER_BYTES,
        pre_buffer=False,
        page_checksum_verification=False,  # they were checked with their headers
    )
    rows = min(block_rows, skip + stop - start)  # a batch is decoded whole, however few rows are read of it
    batches = file.iter_batches(rows, row_groups=groups, columns=list(names), use_threads=False)
    if old := _old_times(footer, names):
        batches = _without_lost_digits(batches, pq.ParquetFile(footer.local), old, rows, groups)

    def columns(batch: pa.RecordBatch) -> list[pa.Array]:
        return [
            _checked(name, canonical(batch.column(name), kind))
            for name, kind in zip(names, types, strict=True)
        ]

    return Cursor(map(columns, batches), skip, file.close)


def _without_lost_digits(
    batches: Iterable[pa.RecordBatch],
    file: pq.ParquetFile,
    names: Sequence[str],
    rows: int,
    groups: list[int],
) -> Iterator[pa.RecordBatch]:
    """Yield batches whose times of 96 bits were read in microseconds, after a look at their nanoseconds."""
    fine = file.iter_batches(rows, row_groups=groups, columns=list(names), use_threads=False)
    # Where text comes as dictionaries, pyarrow ends batches where one ends: those of both are of other rows.
    cursor = Cursor(([finer.column(name) for name in names] for finer in fine), 0, file.close)
    for batch in batches:
        for name, finer in zip(names, cursor.read(batch.num_rows), strict=True):
            coarse = batch.column(name).drop_null().cast(pa.int64()).to_numpy()
            exact = finer.drop_null().cast(pa.int64()).to_numpy()
            near = np.abs(coarse) < FAR  # further away, nanoseconds have wrapped around
            if np.any(exact[near] != 1000 * coarse[near]):
                raise DataError(
                    f"column {name!r} holds times finer than microseconds in 96 bits, the type of old files; write "
                    "them as nanoseconds of 64 bits"
                )
        yield batch


def _checked(name: str, array: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(array.type):
        try:
            array.dictionary.validate(full=True)  # Parquet readers do not look at the bytes of text
            array.validate(full=True)  # nor, where they leave codes as they are, whether there is such a text
        except pa.ArrowInvalid as error:
            raise pa.ArrowInvalid(f"column {name!r} is not text: {error}") from error
    return array


def canonical(array: pa.Array, declared: pa.DataType) -> pa.Array:
    """Return text as ``dictionary<int32, string>``, categories as one of their values, other dictionaries decoded."""
    if family(declared) == "categories":
        return categories_of(array)
    if column_kind(declared) == "text":
        if pa.types.is_dictionary(array.type) and array.dictionary.null_count:
            array = array.dictionary_decode()
        if not pa.types.is_dictionary(array.type):
            array = array.cast(pa.string()).dictionary_encode()
        return array if array.type == TEXT else array.cast(TEXT)
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _old_times(footer: Footer, names: Sequence[str]) -> list[str]:
    """Return which columns are times of 96 bits, which only pyarrow reads beyond the years of nanoseconds."""
    places = file_layout(footer.path, footer.version).columns
    return [name for name in names if name in places and places[name].physical == "INT96"]


def _text_of_pages(footer: Footer, names: Sequence[str], groups: Sequence[int]) -> list[str]:
    """Return which text columns pyarrow hands over as dictionaries: none with differences of texts in its pages."""
    metadata = file_metadata(footer.path, footer.version)
    places = file_layout(footer.path, footer.version).columns

    def differences(name: str) -> bool:
        chunks = (metadata.row_group(group).column(places[name].place) for group in groups)
        return any("DELTA" in encoding for chunk in chunks for encoding in chunk.encodings)

    return [name for name in names if name in places and not differences(name)]
