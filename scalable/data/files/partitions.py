"""Hive partitions: columns whose values are in the names of directories, such as ``year=2026/month=3``."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import numpy as np
import pyarrow as pa

from scalable.data.types.logical import family, type_named
from scalable.errors import DataError, DataWarning, UsageError

NULL = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class Partitions:
    """Columns that paths hold.

    Attributes
    ----------
    types : dict of str to pyarrow.DataType
        By column.
    values : list of dict of str to value
        By file; None is missing.
    """

    types: dict[str, pa.DataType]
    values: list[dict[str, Any]]

    @property
    def constant(self) -> set[str]:
        """Columns that have the same value in every file, as one named in the path of all of them does."""
        return {name for name in self.types if len({each.get(name) for each in self.values}) == 1}


def read_partitions(files: Sequence[str], partitioning: Any = "hive") -> Partitions:
    """Return what the paths of files say of their rows.

    Parameters
    ----------
    files : sequence of str
        Paths, with ``/`` between directories.
    partitioning : str, mapping, pyarrow.Schema or None
        ``"hive"``: whole numbers of 32 bits are ``int32``, all else is text, as pyarrow has it. A mapping or schema
        gives types of columns instead. None or False: paths hold no columns.

    Raises
    ------
    DataError
        When a value is not of the type that was given.
    UsageError
        When `partitioning` is nothing of this.
    """
    if partitioning is None or partitioning is False:
        return Partitions({}, [{} for _ in files])
    given: dict[str, pa.DataType] = {}
    if isinstance(partitioning, pa.Schema):
        given = {field.name: field.type for field in partitioning}
    elif isinstance(partitioning, Mapping):
        given = {str(name): _type_of(name, kind) for name, kind in partitioning.items()}
    elif partitioning not in ("hive", True):
        raise UsageError(f"partitioning must be 'hive', None, or types by column, not {partitioning!r}")
    texts = [_keys(file) for file in files]
    types = {
        name: given.get(name) or _inferred([each.get(name) for each in texts])
        for each in texts
        for name in each
    }
    for name in given:
        if name not in types:
            raise DataError(
                f"{files[0]}: its path holds no partition {name!r}; a directory would be {name}=VALUE"
            )
    values = [
        {name: _value(file, name, each.get(name), kind) for name, kind in types.items()}
        for file, each in zip(files, texts, strict=True)
    ]
    return Partitions(types, values)


def constant_column(value: Any, kind: pa.DataType, n_rows: int) -> pa.Array:
    """Return a column of one value, text as readers hand it out."""
    if family(kind) == "text":
        codes = pa.nulls(n_rows, pa.int32()) if value is None else pa.array(np.zeros(n_rows, np.int32))
        return pa.DictionaryArray.from_arrays(codes, pa.array([] if value is None else [value], pa.string()))
    return pa.nulls(n_rows, kind) if value is None else pa.repeat(pa.scalar(value, kind), n_rows)


def _keys(path: str) -> dict[str, str | None]:
    parts = [part.partition("=") for part in path.split("/")[:-1]]
    texts = {unquote(key): unquote(text) for key, equals, text in parts if equals and key}
    return {key: None if text == NULL else text for key, text in texts.items()}


def _inferred(texts: Sequence[str | None]) -> pa.DataType:
    try:  # as `_value` will: Python takes 1_0, +1 and digits of other scripts for numbers
        return pa.array(texts, pa.string()).cast(pa.int32()).type
    except pa.ArrowInvalid:
        return pa.string()


def _type_of(name: str, kind: Any) -> pa.DataType:
    try:
        return kind if isinstance(kind, pa.DataType) else type_named(str(kind))
    except ValueError as error:
        raise UsageError(
            f"partitioning: {name!r} cannot be {kind!r}; give a type such as int32 or string"
        ) from error


def _value(file: str, name: str, text: str | None, kind: pa.DataType) -> Any:
    try:
        return None if text is None else pa.scalar(text).cast(kind).as_py()
    except pa.ArrowException as error:
        raise DataError(
            f"{file}: partition {name}={text} is no {kind}; give another type in partitioning"
        ) from error


def tell_of_both(where: str, name: str) -> None:
    """Say whose values are used of a column that files have beside their paths, where other readers take the paths'."""
    warnings.warn(
        f"{where}: column {name!r} is in the files and in their paths; the values of the files are used",
        DataWarning,
        stacklevel=3,
    )
