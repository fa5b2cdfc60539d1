"""From generated arrays to Arrow: schema with units, arrays without copies where Arrow allows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from data_gen.columns import CATEGORY, TIMESTAMP, Column, Frame, Values


def arrow_type(column: Column) -> pa.DataType:
    """Return the Arrow type of a column."""
    if column.type == CATEGORY:
        return pa.dictionary(pa.int8(), pa.string())
    if column.type == TIMESTAMP:
        return pa.timestamp("ms", tz="UTC")
    return getattr(pa, {"bool": "bool_"}.get(column.type, column.type))()


def schema(columns: Sequence[Column]) -> pa.Schema:
    """Return the Arrow schema of columns; each field carries its unit as metadata."""
    return pa.schema(
        [pa.field(c.name, arrow_type(c), nullable=c.nullable, metadata={"unit": c.unit}) for c in columns]
    )


def _bitmap(valid: np.ndarray[Any, np.dtype[np.bool_]] | None) -> pa.Buffer | None:
    return None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little"))


def array(column: Column, values: Values) -> pa.Array:
    """Return the Arrow array of one column's generated values."""
    data, n = np.ascontiguousarray(values.data, column.storage), len(values.data)
    nulls = 0 if values.valid is None else n - int(np.count_nonzero(values.valid))
    bitmap = _bitmap(values.valid) if nulls else None
    if column.type == "bool":
        data = np.packbits(data, bitorder="little")
    codes = pa.int8() if column.type == CATEGORY else arrow_type(column)
    plain = pa.Array.from_buffers(codes, n, [bitmap, pa.py_buffer(data)], null_count=nulls)
    if column.type == CATEGORY:
        return pa.DictionaryArray.from_arrays(plain, pa.array(column.levels, pa.string()))
    return plain


def table(columns: Sequence[Column], frame: Frame) -> pa.Table:
    """Return a table of `columns` in their order, taking values from `frame`."""
    return pa.Table.from_arrays([array(c, frame[c.name]) for c in columns], schema=schema(columns))
