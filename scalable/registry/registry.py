"""A registry of models in a directory or below a prefix of an object store.

::

    REGISTRY/fraud/versions/1/version.json     record: data, code, parameters, metrics, parents; sealed
    REGISTRY/fraud/versions/1/model/...        the model's own files
    REGISTRY/fraud/aliases/production/3        the third move of an alias

A version is prepared under a hidden name and gets its number by one rename, which no second writer can repeat: a kill
leaves a hidden directory and no version. A copy by rsync is a registry.

In an object store, where nothing is renamed, the model's files are written below ``REGISTRY/fraud/files/ID`` first, and
its record, which names them, takes the number: an object that is only written where there is none.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scalable.data.fingerprint import Fingerprint, plain
from scalable.errors import ModelError, UsageError
from scalable.registry import aliases
from scalable.registry import entry as entries
from scalable.registry.aliases import Move
from scalable.registry.entry import ENTRY, FILES, MODEL, Entry
from scalable.registry.index import Row, add_version, list_versions
from scalable.registry.names import LATEST, check_alias, check_name
from scalable.storage.files import object_store_of
from scalable.storage.lock import writing_alone
from scalable.storage.numbered import add_numbered, numbers_in, place_numbered, scratch_directory
from scalable.storage.places import is_address, place, remove_tree
from scalable.storage.replace import explained, remove_scratch

_LONGEST = 2**20  # characters of a fingerprint that a record keeps whole; its digest is kept always
_STALE = 86_400.0  # seconds after which an unfinished version is taken for a killed one's
REMEDY = "give the registry room, or choose another --registry"


class Registry:
    """The models of a directory.

    Parameters
    ----------
    path : path
        Directory or ``s3://`` prefix, made when the first version is recorded.

    Examples
    --------
    >>> from scalable.linear import LinearRegression
    >>> from scalable.registry import Registry
    >>> LinearRegression().fit([[1.0], [2.0], [3.0]], [3.0, 5.0, 7.0]).save("price.model")
    >>> registry = Registry("registry")
    >>> number = registry.record("price", "price.model", metrics={"r2": 1.0})
    >>> move = registry.promote("price", str(number), "production")
    >>> registry.names(), number
    (['price'], 1)
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = place(path)

    def __repr__(self) -> str:
        return f"Registry({str(self.path)!r})"

    def names(self) -> list[str]:
        """Return the names of the models that have versions."""
        try:
            found = sorted(each.name for each in self.path.resolve(strict=True).iterdir())
        except OSError as error:
            raise ModelError(
                f"{self.path}: no registry ({error.strerror}); give --registry DIR; `scalable models add` makes one"
            ) from error
        return [name for name in found if numbers_in(self.path / name / "versions")]

    def record(
        self,
        name: str,
        model: str | os.PathLike[str],
        *,
        data: Fingerprint | None = None,
        code: Mapping[str, Any] | None = None,
        parameters: Mapping[str, Any] | None = None,
        environment: Mapping[str, Any] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
        parents: Sequence[str] = (),
        note: str = "",
    ) -> int:
        """Copy a model into the registry as its next version.

        Parameters
        ----------
        name : str
        model : path
            A model directory or file.
        data : Fingerprint, optional
            Of the rows it learned from.
        code, parameters, environment, metrics, tags, parents, note
            See `scalable.registry.entry.Entry`; metrics that are not finite are left out.

        Returns
        -------
        int
            The number of the version, 1 or more.

        Raises
        ------
        UsageError
            The name cannot be one.
        ModelError
            There is no model, or the registry cannot be written.
        """
        source, versions = place(model), self._versions(name)
        if not source.exists():
            raise ModelError(f"{source}: there is no model")

        def entry_of(files: dict[str, Any], apart: bool) -> Entry:
            numbers = {k: float(v) for k, v in (metrics or {}).items() if abs(float(v)) < float("inf")}
            return Entry(
                id=token,
                created=datetime.now(UTC).isoformat(timespec="seconds"),
                files=files,
                file="" if source.is_dir() else source.name,
                data=_kept(data),
                code=_finite(code),
                parameters=_finite(parameters),
                environment=_finite(environment),
                metrics=numbers,
                tags={str(key): str(value) for key, value in (tags or {}).items()},
                parents=tuple(parents),
                note=note,
                apart=apart,
            )

        token = secrets.token_hex(16)
        with explained(ModelError, versions, REMEDY):
            if is_address(versions):
                files = entries.copied_files(source, versions.parent / FILES / token)
                return add_numbered(versions, entries.sealed(entry_of(files, True)), ENTRY)
            versions.mkdir(parents=True, exist_ok=True)
            remove_scratch(versions, _STALE)
            with scratch_directory(versions) as scratch:
                entry = entry_of(entries.copied_files(source, scratch / MODEL), False)
                entries.write_entry(scratch, entry)
                number = place_numbered(scratch, versions)
                add_version(versions, number, entry)
                return number

    def versions(self, name: str) -> tuple[list[Row], dict[int, str]]:
        """Return the versions of a model in order, and what is wrong with those that cannot be read."""
        rows, wrong = list_versions(self._versions(name))
        if not rows and not wrong:
            self._known(name)
        return rows, wrong

    def aliases(self, name: str) -> dict[str, Move]:
        """Return the aliases of a model."""
        above = self._known(name).parent / "aliases"
        names = sorted(each.name for each in above.iterdir()) if above.is_dir() else []
        found = {alias: aliases.current(above / alias) for alias in names if not alias.startswith(".")}
        return {alias: move for alias, move in found.items() if move is not None}

    def number_of(self, name: str, which: str) -> int:
        """Return the number of a version, given that, an alias, or ``latest``.

        Raises
        ------
        ModelError
            There is no such model, version or alias.
        """
        versions = self._known(name)
        numbers = numbers_in(versions)
        if which == LATEST:
            return max(numbers)
        if which.isdecimal():
            if int(which) not in numbers:
                raise ModelError(
                    f"{name!r} has no version {which} in {self.path}; 1 to {max(numbers)} were given"
                )
            return int(which)
        move = aliases.current(versions.parent / "aliases" / check_alias(which))
        if move is None:
            known = ", ".join(self.aliases(name)) or "none"
            raise ModelError(
                f"{name!r} has no alias {which!r} in {self.path} (there is {known}); promote a version"
            )
        return move.version

    def entry(self, name: str, which: str) -> tuple[int, Entry]:
        """Return number and record of a version; raises as `number_of`, or ModelError where it is damaged."""
        number = self.number_of(name, which)
        return number, entries.read_entry(self._versions(name) / str(number))

    def model(self, name: str, which: str, *, thorough: bool = False) -> tuple[int, Path]:
        """Return number and path of a version's model; raises as `scalable.registry.entry.model_of` too."""
        while True:
            number, entry = self.entry(name, which)
            try:
                return number, entries.model_of(self._versions(name) / str(number), entry, thorough=thorough)
            except ModelError:
                if (
                    self.number_of(name, which) == number
                ):  # else an alias moved on, and what it left was pruned
                    raise

    def promote(self, name: str, which: str, alias: str) -> Move:
        """Let an alias mean a version, whose files are compared with their record first."""
        number, _ = self.model(name, which, thorough=True)
        with explained(ModelError, self.path, REMEDY):
            return self._moved(name, aliases.promote(self._alias(name, alias), number), alias)

    def rollback(self, name: str, alias: str) -> Move:
        """Let an alias mean what it meant before; raises UsageError where there is nothing before."""
        moves = self._alias(name, alias)
        before = aliases.previous(moves)
        if before is not None:
            self.model(name, str(before.version), thorough=True)
        with explained(ModelError, self.path, REMEDY):
            return self._moved(name, aliases.rollback(moves), alias)

    def _moved(self, name: str, move: Move, alias: str) -> Move:
        """Return a move, unless its version was pruned meanwhile: who prunes marks versions, then looks at aliases."""
        if self.entry(name, str(move.version))[1].pruned:
            moves = self._alias(name, alias)
            if aliases.previous(moves) is not None:
                aliases.rollback(moves)
            raise ModelError(f"version {move.version} of {name!r} was pruned meanwhile; choose another")
        return move

    def moves(self, name: str, alias: str) -> dict[int, Move]:
        """Return all moves of an alias, by number."""
        return aliases.moves_of(self._alias(name, alias))

    def prune(self, name: str, keep: int, *, dry: bool = False) -> list[int]:
        """Remove the models of old versions; their records stay.

        Kept are the newest, and what an alias means or would mean after a rollback.

        Parameters
        ----------
        name : str
        keep : int
            How many of the newest stay.
        dry : bool
            Only tell which would go.

        Returns
        -------
        list of int
            Versions whose models were removed.
        """
        versions = self._known(name)
        if keep < 0:
            raise UsageError(f"--keep {keep}: how many versions stay, 0 or more")
        busy = ModelError(f"{versions}: another prune is at work; come again when it is done")
        # Of two, one would remove what the other finds an alias for.
        with nullcontext() if dry or is_address(versions) else writing_alone(versions, busy):
            return self._pruned(name, versions, keep, dry)

    def _pruned(self, name: str, versions: Path, keep: int, dry: bool) -> list[int]:
        rows, wrong = list_versions(versions)
        held = {row.number for row in ([row for row in rows if not row.pruned][-keep:] if keep else [])}
        held |= self._meant(name)
        going = [row.number for row in rows if row.number not in held and not row.pruned]
        if dry:
            return going
        with explained(ModelError, versions, REMEDY):
            for number in going:
                at = versions / str(number)
                entries.write_entry(at, replace(entries.read_entry(at), pruned=True))
            for number in self._meant(name) & {*going}:  # an alias moved there meanwhile
                at = versions / str(number)
                entries.write_entry(at, replace(entries.read_entry(at), pruned=False))
                going.remove(number)
            # Earlier, killed prunes' too; a store has no lock, and what another marks now an alias may have moved to.
            meant = self._meant(name)
            gone = [row for row in rows if (row.pruned or row.number in going) and row.number not in meant]
            if not is_address(versions):
                for row in gone:
                    shutil.rmtree(versions / str(row.number) / MODEL, ignore_errors=True)
            known = None if wrong else {row.id for row in rows}
            _remove_apart(versions.parent / FILES, {row.id for row in gone}, known)
            remove_scratch(versions, _STALE)
        return going

    def _meant(self, name: str) -> set[int]:
        """Return the versions that an alias means, or would mean after a rollback."""
        found = self.aliases(name)
        before = [aliases.previous(self._alias(name, alias)) for alias in found]
        return {move.version for move in (*found.values(), *before) if move is not None}

    def _versions(self, name: str) -> Path:
        return self.path / check_name(name) / "versions"

    def _alias(self, name: str, alias: str) -> Path:
        return self._known(name).parent / "aliases" / check_alias(alias)

    def _known(self, name: str) -> Path:
        versions = self._versions(name)
        if not numbers_in(versions):
            there = ", ".join(self.names()[:12]) if self.path.is_dir() else ""
            raise ModelError(f"no model {name!r} in the registry {self.path} (there is {there or 'none'})")
        return versions


def _remove_apart(files: Path, gone: set[str], known: set[str] | None) -> None:
    """Remove the files of versions that are pruned, and what killed writers left: old files of no known version."""
    for each in files.iterdir() if files.is_dir() else ():
        address, unknown = is_address(each), known is not None and each.name not in known
        if each.name in gone or (address and unknown and not _younger(each)):
            remove_tree(each)


def _younger(each: Path) -> bool:
    """Return whether something below a prefix was written lately, so that its writer may still be at work."""
    store = object_store_of(each)
    return len(store.everything_below(each, _STALE)) < len(store.everything_below(each))


def _kept(data: Fingerprint | None) -> dict[str, Any]:
    """Return what a record keeps of a fingerprint."""
    if data is None:
        return {}
    parts = plain(data.parts)
    return {"digest": data.digest(), "parts": parts if len(repr(parts)) <= _LONGEST else None}


def _finite(values: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return values as JSON has them; numbers that are not finite as text."""

    def cleaned(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: cleaned(item) for key, item in value.items()}
        if isinstance(value, list):
            return [cleaned(item) for item in value]
        return repr(value) if isinstance(value, float) and not abs(value) < float("inf") else value

    found: dict[str, Any] = cleaned(plain(dict(values or {})))
    return found
