"""Directories that are not what their Parquet files hold: tables of formats that keep removed rows in their files."""

from __future__ import annotations

from collections.abc import Sequence

from scalable.data.files.delta import LOG
from scalable.errors import DataError
from scalable.storage.files import store_of

_PLAN = "give a list of the files that its newest version is made of, or write its rows to plain Parquet"
_ICEBERG = "metadata"  # a name that other directories have, too
_FORMATS = {
    LOG: ("a Delta table", "give the table's directory itself"),
    ".hoodie": ("a Hudi table", _PLAN),
    _ICEBERG: ("an Iceberg table", _PLAN),
}


def refuse_parts(path: str, files: Sequence[str]) -> None:
    """Raise a DataError where files that a directory or a glob yielded belong to tables of other formats."""
    store = store_of(path)
    try:
        for mark in store.marked(path, files, list(_FORMATS)):
            place, _, name = mark.rpartition("/")
            if name == _ICEBERG and not _describes_versions(mark):
                continue
            kind, remedy = _FORMATS[name]
            raise DataError(
                f"{path}: {place} is {kind}, whose files also hold rows that were removed; {remedy}"
            )
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


def _describes_versions(directory: str) -> bool:
    try:
        listed = store_of(directory).list_files(directory, ".metadata.json")
    except FileNotFoundError:  # a link to nowhere
        return False
    return any(file.endswith(".metadata.json") for file in listed)
