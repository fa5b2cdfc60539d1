"""Delta Lake tables: the files of one version, and the partition columns that its log keeps.

A table's directory also holds files that later versions removed; read as plain Parquet, their rows would count again.
Published protocol: https://github.com/delta-io/delta/blob/master/PROTOCOL.md
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

import pyarrow as pa

from scalable.data.files.partitions import Partitions
from scalable.data.footers import Footer, read_footers
from scalable.errors import DataError, UsageError
from scalable.storage.files import store_of

PREFIX, LOG = "delta:", "_delta_log"
# Features of the protocol that change nothing of what files and partition values mean, or are looked at one by one.
UNDERSTOOD = {"timestampNtz", "v2Checkpoint", "vacuumProtocolCheck", "columnMapping", "deletionVectors"}


@dataclass(frozen=True, slots=True)
class DeltaVersion:
    """One version of a table.

    Attributes
    ----------
    place : str
        The table's directory.
    files : list of str
        Its data files, sorted.
    partitions : Partitions
        Columns whose values the log keeps, in the table's types.
    parts : dict
        What it is, for fingerprints: the table's identity and the version.
    columns : dict of str to pyarrow.DataType
        The table's columns that are not partitions.
    """

    place: str
    files: list[str]
    partitions: Partitions
    parts: dict[str, Any]
    columns: dict[str, pa.DataType]

    def partitioned(self, partitioning: Any) -> Partitions:
        """Return the columns that the log keeps, or none of them; raise a UsageError on types of the caller's own."""
        if partitioning is None or partitioning is False:
            return Partitions({}, [{} for _ in self.files])
        if partitioning not in ("hive", True):
            raise UsageError(
                f"{self.place}: a Delta table types its partitions itself; leave partitioning out"
            )
        return self.partitions

    def read_footers(self) -> tuple[list[Footer], list[pa.Schema]]:
        """Return footers and schemas of the files, which columns that were added to the table later are null in.

        Raises
        ------
        DataError
            When VACUUM has removed some.
        """
        try:
            footers, schemas = read_footers(self.files)
        except DataError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise
            raise DataError(
                f"{self.place}: version {self.parts['version']} of the Delta table needs files that are gone, as "
                f"VACUUM removes those that later versions replaced ({error.__cause__.filename}); give a newer version"
            ) from error
        found = {name: kind for one in schemas for name, kind in zip(one.names, one.types, strict=True)}
        lacking = [[name for name in self.columns if name not in one.names] for one in schemas]
        kinds = {name: found.get(name, kind) for name, kind in self.columns.items()}
        footers = [
            replace(footer, partition=tuple((name, None) for name in lacks))
            for footer, lacks in zip(footers, lacking, strict=True)
        ]
        whole = [
            pa.schema([*schema, *(pa.field(name, kinds[name]) for name in lacks)], schema.metadata)
            if lacks
            else schema
            for schema, lacks in zip(schemas, lacking, strict=True)
        ]
        return footers, whole


def asked_version(path: str) -> tuple[str, int | None] | None:
    """Return the directory and version of ``delta:PATH`` or ``delta:PATH@VERSION``; None for other paths.

    Raises
    ------
    UsageError
        When the version is no number.
    """
    if not path.startswith(PREFIX):
        return None
    place, at, version = path.removeprefix(PREFIX).rpartition("@")
    if not at:
        place, version = version, ""
    if not place or (at and not version.isdecimal()):
        raise UsageError(f"{path}: a version of a Delta table is delta:PATH@NUMBER, as in delta:sales@12")
    return place, int(version) if at else None


def delta_of(given: Sequence[str]) -> DeltaVersion | None:
    """Return the version of the Delta table that paths name; None where they name none.

    Raises
    ------
    DataError
        When a table is given beside other paths, needs what is not understood here, or cannot be read.
    """
    for path in given:
        asked = asked_version(path) or ((path, None) if is_table(path) else None)
        if asked is None:
            continue
        if len(given) > 1:
            raise DataError(f"{path}: a Delta table among other paths; give one table alone")
        return read_version(*asked)
    return None


def is_table(path: str) -> bool:
    """Whether a directory is a Delta table's."""
    try:
        return bool(store_of(path).marked(path, [], [LOG]))
    except OSError:  # told by whoever looks for files
        return False


def read_version(place: str, version: int | None) -> DeltaVersion:
    """Return a version of a table, by default the newest."""
    try:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError, TableNotFoundError
    except ImportError as error:
        raise UsageError(
            f"{place}: is a Delta table, which needs pip install 'scalable-training[delta]'"
        ) from error
    try:
        table = DeltaTable(store_of(place).absolute(place), version=version)
    except TableNotFoundError as error:
        raise DataError(f"{place}: is no Delta table, for it holds no {LOG}; give its directory") from error
    except (DeltaError, OSError, ValueError) as error:
        which = "the newest version" if version is None else f"version {version}"
        raise DataError(
            f"{place}: {which} of the Delta table cannot be read ({_first_line(error)}); it may never have been, or "
            "its log was cleaned up: give another version"
        ) from error
    _check_protocol(place, table)
    added = pa.table(table.get_add_actions(flatten=False))
    where = store_of(place).absolute(place).rstrip("/")
    paths = [_joined(where, unquote(name)) for name in added["path"].to_pylist()]
    order = sorted(range(len(paths)), key=paths.__getitem__)
    if not paths:
        raise DataError(
            f"{place}: version {table.version()} of the Delta table has no rows; give another version"
        )
    names = table.metadata().partition_columns
    schema = pa.schema(table.schema().to_arrow())
    types = {name: schema.field(name).type for name in names}
    held = added["partition"].to_pylist() if names else [{} for _ in paths]
    values = [{name: held[k][name] for name in names} for k in order]
    parts = {"delta": str(table.metadata().id), "version": int(table.version())}
    columns = {field.name: field.type for field in schema if field.name not in types}
    return DeltaVersion(place, [paths[k] for k in order], Partitions(types, values), parts, columns)


def _check_protocol(place: str, table: Any) -> None:
    """Refuse what would make rows or columns other than the files have them."""
    where = f"{place}: version {table.version()} of the Delta table"
    features = set(table.protocol().reader_features or ())
    if unknown := sorted(features - UNDERSTOOD):
        raise DataError(
            f"{where} needs {', '.join(unknown)}, which is not understood here; write it to plain Parquet"
        )
    mapping = table.metadata().configuration.get("delta.columnMapping.mode", "none")
    if mapping != "none":
        raise DataError(
            f"{where} has column mapping ({mapping}): its files name columns otherwise; rewrite the table with "
            "delta.columnMapping.mode = none"
        )
    if "deletionVectors" in features and (cut := _cut(table)):
        raise DataError(
            f"{where} has deletion vectors ({cut}): rows that are deleted and still in their files; rewrite those "
            "(REORG TABLE ... APPLY (PURGE), or OPTIMIZE)"
        )


def _cut(table: Any) -> str:
    """Return a file with a deletion vector, or why that cannot be told; nothing where there is none."""
    try:
        return next((str(name) for name in pa.table(table.deletion_vectors())[0].to_pylist()), "")
    except Exception as error:
        return _first_line(error)


def _joined(where: str, name: str) -> str:
    """Return a file of the log as a path: those of clones are absolute, some as addresses."""
    if name.startswith("file://"):
        name = name.removeprefix("file://")
    return name if "://" in name or os.path.isabs(name) else f"{where}/{name}"


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]
