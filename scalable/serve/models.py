"""The models that are served, by name, each replaced as a whole when a new version is loaded."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scalable.errors import ModelError, ScalableError, UsageError
from scalable.models.predictors import load_model
from scalable.registry.address import model_path, parse_address
from scalable.serve.refusal import RefusalError
from scalable.storage.places import files_below, place, states_below

_TRIES = 5  # of reading a model that is replaced meanwhile


@dataclass(frozen=True, slots=True)
class Served:
    """One version of a model.

    Attributes
    ----------
    name : str
    path : Path
    version : str
        Its number in a registry, or the first digits of a hash of its files.
    predictor : Predictor
    place : Path
        Where its files lie, which is elsewhere than `path` for a registry's alias.
    state : object
        What `state_of` said when it was read.
    """

    name: str
    path: Path
    version: str
    predictor: Any
    place: Path
    state: Any = None


def state_of(path: Path) -> Any:
    """Return what changes with a model's files, None while there is none; links and aliases are followed."""
    try:
        return states_below(model_path(path).resolve(strict=True))
    except (OSError, ScalableError):
        return None


def _version(path: Path) -> str:
    digest = hashlib.sha256()
    for file in list(files_below(path).values()) or [path]:
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]


def open_model(name: str, path: Path) -> Served:
    """Load a model and compile what answers single rows.

    Raises
    ------
    ModelError
        It is damaged, or none, or never the same at the end of reading as at its beginning.
    """
    for _ in range(_TRIES):
        state, address = state_of(path), parse_address(path)
        number, found = (None, place(path)) if address is None else address.find()
        predictor = load_model(found)
        version = _version(found) if number is None else str(number)
        if state_of(path) == state:  # else one model would go by another's version
            _ = predictor.answer
            return Served(name, path, version, predictor, found, state)
    raise ModelError(f"{path}: changes while it is read; put a finished model there in one step")


class Models:
    """Models by name.

    Parameters
    ----------
    paths : iterable of str
        ``PATH``, called like its last part without suffix, or ``NAME=PATH``; a path may be ``registry:NAME@ALIAS``.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._served: dict[str, Served] = {}
        for text in paths:
            name, found, path = text.partition("=")
            found = "" if "/" in name else found  # of a folder such as models/day=7/fraud
            where = Path(path if found else text)
            address = parse_address(where)
            name = name if found else where.name.split(".")[0] if address is None else address.name
            if (
                not name.isprintable() or not name or {*name} & {*'"\\/'}
            ):  # of addresses and of labels in metrics
                raise UsageError(f"{name!r} cannot name a model here; give NAME={where} without quotes")
            if name in self._served:
                raise UsageError(f"two models are called {name!r}; give one as NAME={where}")
            self._served[name] = open_model(name, where)
        if not self._served:
            raise UsageError("no model to serve")

    @property
    def all(self) -> list[Served]:
        """Every model."""
        return list(self._served.values())

    def get(self, name: str | None, version: str | None = None) -> Served:
        """Return a model; without a name the only one.

        Raises
        ------
        RefusalError
            404 where there is none of that name and version.
        """
        if name is None:
            if len(self._served) > 1:
                raise RefusalError(404, f"several models are served, say which: {', '.join(self._served)}")
            return next(iter(self._served.values()))
        found = self._served.get(name)
        if found is None:
            raise RefusalError(404, f"no model {name!r}; there is {', '.join(self._served)}")
        if version is not None and version != found.version:
            raise RefusalError(404, f"model {name!r} is at version {found.version}, not {version}")
        return found

    def replace(self, served: Served) -> None:
        """Answer the requests that come from now on by another version."""
        gc.unfreeze()  # the server froze what it began with: the model that goes may be of it
        self._served[served.name] = served
