"""Which columns can be learned from, and the kind each one is treated as."""

from __future__ import annotations

import difflib
import functools

import pyarrow as pa
import pyarrow.types as pt

from scalable.errors import DataError, listed

KINDS = ("boolean", "integer", "float", "temporal", "text")


@functools.lru_cache(256)
def column_kind(arrow_type: pa.DataType) -> str | None:
    """Return the kind of a column: one of ``KINDS``, or None when it cannot be learned from.

    Numbers in a dictionary are categories, treated as text: that is what pandas and polars mean by the type.
    """
    if pt.is_dictionary(arrow_type):
        inner = column_kind(arrow_type.value_type)
        return "text" if inner in ("boolean", "integer", "float") else inner
    if pt.is_null(arrow_type):
        return "float"
    tests = (
        ("boolean", pt.is_boolean),
        ("integer", pt.is_integer),
        ("float", lambda t: pt.is_floating(t) or pt.is_decimal(t)),
        ("temporal", lambda t: pt.is_timestamp(t) or pt.is_date(t) or pt.is_time(t) or pt.is_duration(t)),
        ("text", lambda t: pt.is_string(t) or pt.is_large_string(t) or str(t) == "string_view"),
    )
    return next((kind for kind, test in tests if test(arrow_type)), None)


def require_column(schema: pa.Schema, name: str, where: str, role: str) -> None:
    """Raise a DataError that proposes the nearest name unless the column exists."""
    if schema.get_field_index(name) < 0:
        near = difflib.get_close_matches(name, schema.names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"its columns are {listed(schema.names)}"
        raise DataError(f"{where}: there is no {role} column {name!r}; {hint}")
