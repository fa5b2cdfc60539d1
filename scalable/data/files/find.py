"""Finding the Parquet files behind what a user names; whatever is left out is named."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

from scalable.data.files.tables import refuse_parts
from scalable.errors import DataError, DataWarning
from scalable.storage.files import store_of
from scalable.storage.local import hard_links

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]
ENDINGS = (".parquet", ".parq", ".pq")  # in small letters or large
OURS = {"manifest.json", "describe.html"}  # what `data_gen` writes beside its files
_MAGIC = b"PAR1"
_NAMED = 4


def find_files(paths: Paths) -> list[str]:
    """Return the Parquet files behind a file, a directory, a glob or a list of those.

    Below a directory, and among what a glob matches, Parquet files are those of the usual endings and those that begin
    as Parquet does, whatever their name. Hidden files and directories, markers such as ``_SUCCESS`` among them, are
    passed over; what else is left out is named in a `DataWarning`.

    Raises
    ------
    DataError
        When a path does not exist or is not UTF-8, no Parquet file is found, one is found twice, or is a Delta, Hudi or
        Iceberg table's.
    """
    given = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    found: list[str] = []
    left: list[str] = []
    for path in [os.fspath(each) for each in given]:
        try:
            listed = store_of(path).list_files(path)
        except FileNotFoundError as error:
            missing = (
                error.strerror
                if error.errno
                else "no such file or directory, and no file matches it as a glob"
            )
            raise DataError(f"{path}: {missing}") from error
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
        files = listed if listed == [path] else [file for file in listed if _is_parquet(file)]
        if files != [path]:
            refuse_parts(path, files)
        if not files:
            raise DataError(f"{path}: the directory holds no *.parquet file{_told(listed)}")
        found += files
        left += [file for file in listed if file not in set(files) and os.path.basename(file) not in OURS]
    if not found:
        raise DataError("no Parquet files: the list of paths is empty")
    for path in found:
        if not path.isascii() and (name := os.fsencode(path).decode(errors="replace")) != path:
            raise DataError(f"{name}: its name is not UTF-8, which readers of Parquet need; rename the file")
    _check_once(found)
    if left:
        warnings.warn(
            f"{', '.join(map(str, given[:2]))}: left out, as no Parquet files{_told(left)}", DataWarning, 3
        )
    return found


def _told(files: list[str]) -> str:
    if not files:
        return ""
    names = [PurePath(file).name for file in files[:_NAMED]]
    return f": {', '.join(names)}" + (f" and {len(files) - _NAMED:,} more" if len(files) > _NAMED else "")


def _is_parquet(path: str) -> bool:
    name = PurePath(path).name
    if name.lower().endswith(ENDINGS):
        return True
    try:
        return name not in OURS and store_of(path).read(path, 0, len(_MAGIC)) == _MAGIC
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror or error}); check its permissions"
        ) from error


def _check_once(files: list[str]) -> None:
    seen: dict[Any, str] = {}
    for file in files:
        place = hard_links(file) or store_of(file).resolved(file)
        if place in seen:
            raise DataError(
                f"{file}: the same file as {seen[place]}, its rows would count twice; give it once"
                if file != seen[place]
                else f"{file}: given twice, its rows would count twice; give it once"
            )
        seen[place] = file
