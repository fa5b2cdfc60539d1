"""Identifiers that are floats: what pandas makes of integers with nulls, in frames and in the Parquet it writes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pyarrow as pa

from scalable.data.values import numbers
from scalable.features.hashing import MANY, named_identifier

INTEGER = pa.int64()
_EXACT = 2.0**53  # beyond, a float need not be the integer that it was made of


def may_be_integers(field: pa.Field) -> bool:
    """Return whether a column may be an identifier that became float64 for its nulls: its name says so."""
    return bool(field.type == pa.float64()) and named_identifier(field.name)


def as_integers(array: pa.Array) -> pa.Array | None:
    """Return float64 numbers as int64, NaN as null; None where one is not a whole number that floats tell apart."""
    values = numbers(array)
    missing = np.isnan(values)
    held = np.where(missing, 0.0, values)
    if not np.all((np.floor(held) == held) & (np.abs(held) <= _EXACT)):
        return None
    return pa.array(held.astype(np.int64), mask=missing)


def with_integers(schema: pa.Schema, names: Collection[str]) -> pa.Schema:
    """Return a schema in which some columns are int64."""
    for at, field in enumerate(schema):
        if field.name in names:
            schema = schema.set(at, field.with_type(INTEGER))
    return schema


def has_identifier(frame: Any) -> bool:
    """Return whether a pandas frame of numbers has a column that is an identifier by its name and many integers."""
    for name, kind in frame.dtypes.items():
        if not isinstance(name, str) or not named_identifier(name) or kind.kind not in "iuf":
            continue
        values = frame[name].to_numpy()
        if kind.kind == "f":
            values = values[~np.isnan(values)]
            if kind != np.float64 or as_integers(pa.array(values)) is None:
                continue
        if len(np.unique(values)) > MANY:
            return True
    return False
