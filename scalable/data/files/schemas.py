"""The one schema by which files are read that need not have the same: only columns in use have to agree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from scalable.data.types.logical import cast_exactly, common_type, family
from scalable.errors import DataError

_REMEDY = "name the features without it, write the files with one schema, or pass only those that agree"


@dataclass(frozen=True)
class CommonSchema:
    """What files have in common.

    Attributes
    ----------
    schema : pyarrow.Schema
        Columns of the first file, of types that lose nothing of any file.
    own : list of dict of str to pyarrow.DataType
        By file, the types of columns that have to be brought to that of the schema.
    conflicts : dict of str to str
        By column that not all files have in a common type: what is wrong.
    extra : tuple of str
        Columns that the first file lacks.
    """

    schema: pa.Schema
    own: list[dict[str, pa.DataType]]
    conflicts: dict[str, str] = field(default_factory=dict)
    extra: tuple[str, ...] = ()

    def check(self, names: Iterable[str]) -> None:
        """Raise a DataError that names file, column and types when a column in use has a conflict."""
        for name in names:
            if name in self.conflicts:
                raise DataError(f"{self.conflicts[name]}; {_REMEDY}")


def common_schema(files: Sequence[str], schemas: Sequence[pa.Schema]) -> CommonSchema:
    """Return what the schemas of files have in common."""
    first = pa.schema(list(zip(schemas[0].names, schemas[0].types, strict=True)))
    if all(schema.equals(schemas[0]) for schema in schemas):
        return CommonSchema(first, [{} for _ in files])
    kinds = dict(zip(first.names, first.types, strict=True))
    came_from = dict.fromkeys(kinds, files[0])
    conflicts: dict[str, str] = {}
    extra: dict[str, None] = {}
    for file, schema in zip(files, schemas, strict=True):
        here = dict(zip(schema.names, schema.types, strict=True))
        extra.update(dict.fromkeys(name for name in here if name not in kinds))
        for name, kind in kinds.items():
            found = here.get(name)
            if found is None:
                conflicts.setdefault(name, f"{file}: column {name!r} is missing, but {files[0]} has it")
                continue
            common = common_type(kind, found)
            if common is None:
                conflicts.setdefault(
                    name, f"{file}: column {name!r} is {found}, but {kind} in {came_from[name]}"
                )
            elif common != kind:
                kinds[name], came_from[name] = common, file
    own = [
        {n: t for n, t in zip(s.names, s.types, strict=True) if n in kinds and _differs(t, kinds[n])}
        for s in schemas
    ]
    return CommonSchema(pa.schema(list(kinds.items())), own, conflicts, tuple(extra))


def _differs(found: pa.DataType, wanted: pa.DataType) -> bool:
    return found != wanted and not (
        family(found) == family(wanted) and family(wanted) in ("text", "categories")
    )


def widened(array: pa.Array, name: str, wanted: pa.DataType, place: str) -> pa.Array:
    """Return a column of a file in the type that all files have in common."""
    if family(array.type) == "nothing":
        text = family(wanted) == "text"
        return pa.nulls(len(array), pa.dictionary(pa.int32(), pa.string()) if text else wanted)
    return cast_exactly(array, name, wanted, f"{place}: ", "in other files")
