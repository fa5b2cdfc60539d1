"""Features in the path of a request: by key from the store; defaults, counted and said, where it cannot be read."""

from __future__ import annotations

import os
import time
import warnings
from pathlib import Path
from typing import Any

from scalable.errors import DataError, DataWarning
from scalable.feature_store.definitions import Definitions
from scalable.feature_store.online.lookup import Lookup, whole_time
from scalable.feature_store.online.page_check import DATA
from scalable.feature_store.online.store import OnlineStore
from scalable.feature_store.read_definitions import read_definitions
from scalable.storage.local import file_identity

AGAIN_SECONDS = 1.0  # until a store that cannot be read is tried again, and one that can is looked at


class RequestFeatures:
    """Adds stored features to requests; for one thread at a time.

    Parameters
    ----------
    definitions : Definitions or path
    path : path
        Directory of the store.

    Attributes
    ----------
    requests : int
        Looked up so far.
    defaults : int
        Of those, answered by what an entity without events has, because the store could not be read.
    trouble : str or None
        Why it cannot be read now.

    Raises
    ------
    DataError
        The store holds features of other definitions.
    """

    def __init__(
        self, definitions: Definitions | str | os.PathLike[str], path: str | os.PathLike[str]
    ) -> None:
        self.definitions = (
            definitions if isinstance(definitions, Definitions) else read_definitions(definitions)
        )
        self._path, self._entities = path, self.definitions.entities
        self.requests = self.defaults = 0
        self.trouble: str | None = None
        self._store: OnlineStore | None = None
        self._lookups: list[Lookup] = []
        self._looked, self._file = time.monotonic(), _file(path)
        counted = ("count", "distinct", "sum")
        self._empty = {f.name: 0 if f.function in counted else None for f in self.definitions.features}
        self._open(first=True)

    def _look(self) -> None:
        """Open the store where that failed, or where another file has its place by now."""
        self._looked, before = time.monotonic(), self._file
        self._file = _file(self._path)
        if not self._lookups or self._file != before:
            self._open()

    def _open(self, *, first: bool = False) -> None:
        """Open the store; at first one of other definitions is refused."""
        self.close()
        try:
            self._store = OnlineStore(self.definitions, self._path)
            self._lookups = self._store.lookups()
            self.trouble = None
        except DataError as error:
            self.close()
            if first and "other definitions" in str(error):
                raise
            self._say(error)

    def _say(self, error: DataError) -> None:
        if self.trouble is None:
            warnings.warn(f"{error}; defaults are served meanwhile, and counted", DataWarning, stacklevel=2)
        self.trouble = str(error)

    def lookup_into(self, request: dict[str, Any], at: int | None = None) -> dict[str, Any]:
        """Return a request with the features of its entities; what the request says itself wins.

        Parameters
        ----------
        request : dict
            With the entity columns.
        at : int, optional
            As known then, in nanoseconds; now by default.

        Raises
        ------
        DataError
            An entity is missing, or of another type than the store's.
        """
        self.requests += 1
        if time.monotonic() - self._looked >= AGAIN_SECONDS:
            self._look()
        for name in self._entities:
            if name not in request:
                raise DataError(f"the request lacks {name!r}, by which its features are looked up")
        found = self._found(request, time.time_ns() if at is None else whole_time(at))
        found.update(request)
        return found

    def _found(self, request: dict[str, Any], at: int) -> dict[str, Any]:
        # an entity of another type is refused, whatever the store says
        keys = [lookup.key(request[lookup.entity]) for lookup in self._lookups]
        found: dict[str, Any] | None = None
        try:
            for lookup, key in zip(self._lookups, keys, strict=True):
                features = lookup.features(request[lookup.entity], at, key)
                found = features if found is None else found | features
        except DataError as error:
            self._say(error)
            found = None
        if found is None:
            self.defaults += 1
            return dict(self._empty)
        self.trouble = None
        return found

    def metrics(self) -> str:
        """Return the counters in the text format of Prometheus."""
        return (
            "# TYPE scalable_feature_requests_total counter\n"
            f"scalable_feature_requests_total {self.requests}\n"
            "# TYPE scalable_feature_defaults_total counter\n"
            f"scalable_feature_defaults_total {self.defaults}\n"
        )

    def close(self) -> None:
        """Give the store back."""
        if self._store is not None:
            self._store.close()
        self._store, self._lookups = None, []


def _file(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    """Return which file a store is; None where there is none."""
    return file_identity(Path(path) / DATA)
