"""Decoding with polars: numeric columns in plain or compressed pages, twice as fast as pyarrow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from scalable.data.footers import Footer
from scalable.data.readers.cursor import Cursor

if TYPE_CHECKING:
    import polars as pl


def open_with_polars(
    footer: Footer, schema: pa.Schema, names: Sequence[str], start: int, stop: int, block_rows: int
) -> Cursor:
    """Return a cursor over rows ``[start, stop)``, decoded by polars' own threads."""
    import polars as pl  # not earlier: the size of its thread pool is fixed on import

    scan = pl.scan_parquet(footer.path, cache=False, glob=False).select(names).slice(start, stop - start)
    frames = scan.collect_batches(chunk_size=block_rows, maintain_order=True)
    types = [schema.field(name).type for name in names]
    return Cursor((_arrays(frame, types) for frame in frames), 0, lambda: None)


def _arrays(frame: pl.DataFrame, types: Sequence[pa.DataType]) -> list[pa.Array]:
    import polars as pl

    arrays = []
    for series, declared in zip(frame.get_columns(), types, strict=True):
        wanted = declared.value_type if pa.types.is_dictionary(declared) else declared
        array = series.to_arrow(compat_level=pl.CompatLevel.oldest())
        arrays.append(array if array.type == wanted else array.cast(wanted))
    return arrays
