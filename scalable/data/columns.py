"""Which columns can be learned from, and the kind each one is treated as."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.types as pt

from scalable.errors import DataError

KINDS = ("boolean", "integer", "float", "temporal", "text")


def column_kind(arrow_type: pa.DataType) -> str | None:
    """Return the kind of a column: one of ``KINDS``, or None when it cannot be learned from."""
    if pt.is_dictionary(arrow_type):
        return column_kind(arrow_type.value_type)
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


def check_roles(
    schema: pa.Schema, where: str, target: str | None, features: Sequence[str] | None, weight: str | None
) -> list[str]:
    """Check the columns' roles against a schema and return the names of the features.

    Raises
    ------
    DataError
        When a column is missing (with the nearest name), has two roles, or cannot be learned from.
    """
    twice = sorted(name for name, count in Counter(schema.names).items() if count > 1)
    if twice:
        raise DataError(
            f"{where}: several columns are named {twice[0]!r}; rename them so that names are unique"
        )
    for role, name in (("target", target), ("weight", weight)):
        if name is not None:
            require_column(schema, name, where, role)
    if weight is not None and column_kind(schema.field(weight).type) not in ("integer", "float", "boolean"):
        raise DataError(
            f"{where}: weight column {weight!r} is {schema.field(weight).type}; weights are numbers"
        )
    if target is not None and target == weight:
        raise DataError(f"{where}: column {target!r} is given as both target and weight")
    taken = {target, weight} - {None}
    if features is None:
        names = [name for name in schema.names if name not in taken]
    else:
        names = list(features)
        for name in names:
            require_column(schema, name, where, "feature")
            if name in taken:
                raise DataError(f"{where}: column {name!r} is given as a feature and as target or weight")
    if len(set(names)) < len(names):
        raise DataError(
            f"{where}: column {Counter(names).most_common(1)[0][0]!r} is given twice as a feature"
        )
    if not names:
        raise DataError(f"{where}: no feature columns are left besides {sorted(map(str, taken))}")
    for name in names:
        if column_kind(schema.field(name).type) is None:
            usable = [n for n in names if column_kind(schema.field(n).type) is not None]
            raise DataError(
                f"{where}: column {name!r} is {schema.field(name).type}, which cannot be learned from; "
                f"leave it out by naming the features: {', '.join(usable[:6])}{', ...' if len(usable) > 6 else ''}"
            )
    return names


def require_column(schema: pa.Schema, name: str, where: str, role: str) -> None:
    """Raise a DataError that proposes the nearest name unless the column exists."""
    if schema.get_field_index(name) < 0:
        near = difflib.get_close_matches(name, schema.names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"its columns are {', '.join(schema.names[:12])}"
        raise DataError(f"{where}: there is no {role} column {name!r}; {hint}")
