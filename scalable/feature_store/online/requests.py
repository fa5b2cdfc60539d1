"""Features in the path of a request: by key from the store; defaults, counted and said, where it cannot be read."""

from __future__ import annotations

import os
import time
import warnings
from typing import Any

from scalable.errors import DataError, DataWarning
from scalable.feature_store.definitions import Definitions
from scalable.feature_store.online.lookup import Lookup
from scalable.feature_store.online.store import OnlineStore
from scalable.feature_store.read_definitions import read_definitions

AGAIN_SECONDS = 1.0  # until a store that cannot be read is tried again


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
        self._path = path
        self.requests = self.defaults = 0
        self.trouble: str | None = None
        self._store: OnlineStore | None = None
        self._lookups: list[Lookup] = []
        self._tried = 0.0
        counted = ("count", "distinct", "sum")
        self._empty = {f.name: 0 if f.function in counted else None for f in self.definitions.features}
        self._open()

    def _open(self) -> None:
        """Open the store, unless that failed a moment ago; a store of other definitions is refused for good."""
        if time.monotonic() - self._tried < AGAIN_SECONDS and self._tried:
            return
        self._tried = time.monotonic()
        try:
            self._store = OnlineStore(self.definitions, self._path)
            self._lookups = self._store.lookups()
            self.trouble = None
        except DataError as error:
            self.close()
            if "other definitions" in str(error):
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
        if not self._lookups:
            self._open()
        for name in self.definitions.entities:
            if name not in request:
                raise DataError(f"the request lacks {name!r}, by which its features are looked up")
        found = self._found(request, time.time_ns() if at is None else at)
        found.update(request)
        return found

    def _found(self, request: dict[str, Any], at: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        keys = [
            lookup.key(request[lookup.entity]) for lookup in self._lookups
        ]  # refused, whatever the store says
        try:
            for lookup, key in zip(self._lookups, keys, strict=True):
                found.update(lookup.features(request[lookup.entity], at, key))
        except DataError as error:
            self._say(error)
            found = {}
        else:
            if self._lookups:
                self.trouble = None
                return found
        self.defaults += 1
        return dict(self._empty)

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
