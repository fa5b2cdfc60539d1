"""Rows as dicts made a block: each value of the type that its column had in training, as in batch prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.types as pt

from scalable.data.block import RawBlock
from scalable.errors import DataError
from scalable.inference.request.cells import Value
from scalable.inference.request.packing import absent_key
from scalable.kernels.encode.request import ABSENT


def block_of_rows(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[tuple[str, str, str]],
    missing_keys: str = "refuse",
    *,
    numbered: bool = True,
) -> RawBlock:
    """Return dicts as a block.

    Parameters
    ----------
    rows : sequence of mapping
    columns : sequence of (name, Arrow type, kind)
        As an encoder has them.
    missing_keys : str
        See ``Predictor.predict``.
    numbered : bool
        Whether messages say which row.

    Raises
    ------
    DataError
        A row lacks a column, or its value is not one of the column's type.
    """
    arrays = {}
    for name, arrow_type, kind in columns:
        value = Value(name, arrow_type, kind)
        tick = value.time() if pt.is_temporal(value.type) else None
        parts = []
        for i, row in enumerate(rows):
            try:
                if name not in row:
                    absent_key(name, missing_keys)
                given = row.get(name)
                parts.append(value.array(given) if tick is None else _time(tick(given), value.type))
            except DataError as error:
                raise DataError(f"row {i:,}: {error}" if numbered else str(error)) from error
        arrays[name] = _joined(parts)
    return RawBlock(arrays, 0, len(rows))


def _time(tick: int, kind: pa.DataType) -> pa.Array:
    narrow = pa.int32() if pt.is_date32(kind) or pt.is_time32(kind) else pa.int64()
    return pa.array([None if tick == ABSENT else tick], narrow).cast(kind)


def _joined(parts: Sequence[pa.Array]) -> pa.Array:
    """Return arrays of one value as one; those of nulls alone have no type of their own."""
    typed = next((part.type for part in parts if part.type != pa.null()), pa.null())
    if pt.is_dictionary(typed):
        values = [None if part.null_count else part[0].as_py() for part in parts]
        return pa.array(values, typed.value_type).dictionary_encode()
    return pa.concat_arrays([part if part.type != pa.null() else part.cast(typed) for part in parts])
