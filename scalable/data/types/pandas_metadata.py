"""What pandas writes beside a schema: which columns are an index, and which are categories."""

from __future__ import annotations

import json
import warnings
from typing import Any

import pyarrow as pa

from scalable.data.types.logical import family
from scalable.errors import DataWarning


def _metadata(schema: pa.Schema) -> dict[str, Any]:
    try:
        found = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
    except (ValueError, RecursionError):  # not ours to judge: it changes no value
        return {}
    return found if isinstance(found, dict) else {}


def index_columns(schema: pa.Schema) -> tuple[str, ...]:
    """Return the columns of a schema that hold the index of a pandas frame."""
    found = _metadata(schema).get("index_columns")
    names = found if isinstance(found, list) else []
    return tuple(name for name in names if isinstance(name, str) and name in schema.names)


def tell_of_index(where: str, name: str) -> None:
    """Warn that a column is no feature although nobody left it out."""
    warnings.warn(
        f"{where}: column {name!r} is the index of a pandas frame and no feature; name it in features, or give it "
        "another name, to learn from it",
        DataWarning,
        stacklevel=5,
    )


def without_index(X: Any, *, tell: bool = True) -> Any:
    """Return an Arrow table without the index of the pandas frame that it was made of; anything else as it is."""
    names = index_columns(X.schema) if isinstance(X, pa.Table) else ()
    for name in names if tell else ():
        tell_of_index("the table", name)
    return X.drop_columns(list(names)) if names else X


def with_categories(schema: pa.Schema) -> pa.Schema:
    """Return a schema in which numbers that pandas had as categories are so again."""
    columns = _metadata(schema).get("columns")
    for column in columns if isinstance(columns, list) else []:
        if not isinstance(column, dict) or column.get("pandas_type") != "categorical":
            continue
        places = schema.get_all_field_indices(str(column.get("field_name")))
        for at in places:
            field = schema.field(at)
            if family(field.type) == "number":
                schema = schema.set(at, field.with_type(pa.dictionary(pa.int32(), field.type)))
    return schema
