"""One view looked up by entity: a packed row, one native call, a dict of features."""

from __future__ import annotations

import struct
from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from numpy.typing import NDArray

from scalable.data.columns import column_kind
from scalable.errors import DataError
from scalable.feature_store.bind import BoundView
from scalable.kernels.timeline import history
from scalable.kernels.timeline.history import LOOKUP, look_up
from scalable.kernels.timeline.words import MISSING, hash_entity, hash_texts_twice

if TYPE_CHECKING:
    from scalable.feature_store.online.store import OnlineStore

_CODES = {
    "latest": history.LATEST, "time_since_last": history.SINCE, "count": history.COUNT, "sum": history.SUM,
    "mean": history.MEAN, "min": history.LEAST, "max": history.GREATEST, "distinct": history.DISTINCT,
}  # fmt: skip
_LIMIT = 2**63
_ROOM = 2**16  # bytes


def whole_time(at: Any) -> int:
    """Return a time as it was given, in nanoseconds since 1970; raises DataError where it is none of 64 bits."""
    try:
        if -_LIMIT <= (found := index(at)) < _LIMIT:
            return found
    except TypeError:
        pass
    raise DataError(f"{at!r:.60} is no time: give whole nanoseconds since 1970, of the years 1678 to 2262")


def fixed_columns(bound: BoundView) -> list[str]:
    """Return the columns whose fixed-point values histories hold besides: floats that are summed."""
    summed = [f.column for f in bound.view.features if f.function in ("sum", "mean")]
    return [name for name in dict.fromkeys(summed) if name is not None and pt.is_floating(bound.types[name])]


def lookup_plan(bound: BoundView) -> tuple[NDArray[Any], list[str], list[str]]:
    """Return how each feature is looked up, and the names of those that are floats and of the others."""
    view, fixed = bound.view, fixed_columns(bound)
    plan = np.zeros(len(view.features), LOOKUP)
    names: tuple[list[str], list[str]] = ([], [])
    for row, feature in zip(plan, view.features, strict=True):
        floating = bool(pt.is_floating(bound.type_of(feature)))
        row["function"], row["floating"] = _CODES[feature.function], floating
        row["word"] = row["fixed"] = -1
        row["window"], row["scale"] = feature.window or 0, 1.0
        if feature.column is not None:
            row["word"] = row["fixed"] = view.columns.index(feature.column)
            row["from_floats"] = pt.is_floating(bound.types[feature.column])
            if row["from_floats"] or column_kind(bound.types[feature.column]) in ("text", "temporal"):
                row["fixed"] = -1
            if feature.column in fixed:
                row["fixed"] = len(view.columns) + fixed.index(feature.column)
                row["scale"] = 10.0 ** view.decimals(feature.column)
        row["place"] = len(names[0 if floating else 1])
        names[0 if floating else 1].append(feature.name)
    plan["place"][~plan["floating"]] += len(names[0])
    return plan, names[0], names[1]


class Lookup:
    """Looks up the features of one view; for one thread at a time.

    Parameters
    ----------
    store : OnlineStore
    name : str
        Of the view.

    Attributes
    ----------
    entity : str
        Column of whom features are about.
    """

    def __init__(self, store: OnlineStore, name: str) -> None:
        self._store, self._table = store, store.tables[name]
        self._begin = store.env.begin  # of a table, no parent, to read, buffers
        self.entity = store.definitions.views[name].entity
        bound = store.bound(name)
        if bound is None:
            raise DataError(f"{store.path}: view {name!r} has no events yet; materialize it")
        self.plan, self._floats, self._wholes = lookup_plan(bound)
        self._names = [*self._floats, *self._wholes]
        self._n_columns = len(bound.view.columns) + len(fixed_columns(bound))
        self._ttl = bound.view.ttl or 0
        self._text = not pt.is_integer(bound.entity)
        kinds = {feature.name: bound.type_of(feature) for feature in bound.view.features}
        self._special = [(name, kinds[name]) for name in self._wholes if not pt.is_integer(kinds[name])]
        self._unpack = struct.Struct(f"={len(self._floats)}d{len(self._wholes)}q").unpack_from
        self._none = dict.fromkeys(self._names)  # a copy of it never grows while it is filled
        self._known_texts: dict[int, str] = {}
        self._make_room(_ROOM)
        look_up(self._room, 0, self._n_columns, 0, self._ttl, self.plan)  # compiled now

    def key(self, entity: Any) -> bytes:
        """Return the key of an entity: its hash, so that neighbours in partitions are neighbours here.

        Raises
        ------
        DataError
            It is not of the type of the view's entities.
        """
        if self._text:
            if not isinstance(entity, str):
                raise DataError(f"{self.entity} is {entity!r}; the store's entities are text")
            data = np.frombuffer(entity.encode(), np.uint8) if entity else np.empty(0, np.uint8)
            pair = np.empty((2, 1), np.int64)
            hash_texts_twice(np.array([0, len(data)]), data, pair[0], pair[1])
            return pair.astype(">i8").tobytes()
        try:
            number = index(entity)
        except TypeError:
            number = _LIMIT
        if not -_LIMIT <= number < _LIMIT or entity.__class__ is bool:
            raise DataError(f"{self.entity} is {entity!r}; the store's entities are whole numbers of 64 bits")
        return int(hash_entity(number)).to_bytes(8, "big")

    def features(self, entity: Any, at: int, key: bytes | None = None) -> dict[str, Any]:
        """Return the features of an entity (its key may be given) at a time in nanoseconds; see `OnlineStore`."""
        key = self.key(entity) if key is None else key
        size = self._fetch(key)
        missing = look_up(self._room, size, self._n_columns, at, self._ttl, self.plan)
        if missing < 0:
            if missing == -1:
                raise DataError(
                    f"{self._store.path}: the row of {self.entity} {entity!r} is damaged; materialize it anew"
                )
            begin = np.datetime64(int(self._room[len(self.plan) + 2]), "ns")
            raise DataError(
                f"{self._store.path}: keeps what is needed from {begin} on for {self.entity} {entity!r}, earlier times "
                "were asked for; join them from the files"
            )
        answer: dict[str, Any] = self._none.copy()
        answer.update(zip(self._names, self._unpack(self._bytes)))  # noqa: B905  of one length; to say so costs .2 us
        if missing:
            for name in self._wholes:
                if answer[name] == MISSING:
                    answer[name] = None
        for name, kind in self._special:
            if answer[name] is not None:
                answer[name] = self._spoken(answer[name], kind)
        return answer

    def _fetch(self, key: bytes) -> int:
        """Copy the history behind a key into memory of our own, where kernels take it at once; return its words."""
        try:
            transaction = self._begin(self._table, None, False, True)
            try:
                found = transaction.get(key)
                if found is None:
                    return 0
                n_bytes = len(found)
                if n_bytes > len(self._history):
                    self._make_room(2 * n_bytes)
                self._history[:n_bytes] = found
            finally:
                transaction.abort()
        except self._store.error as error:
            raise DataError(f"{self._store.path}: cannot be read ({error}); check the folder") from None
        return n_bytes >> 3

    def _make_room(self, n_bytes: int) -> None:
        """Have room for the answers and a history."""
        self._room = np.empty(len(self.plan) + n_bytes // 8 + 1, np.int64)
        self._bytes = self._room.data.cast("B")
        self._history = self._bytes[8 * len(self.plan) :]

    def _spoken(self, word: int, kind: pa.DataType) -> Any:
        if not (pt.is_string(kind) or pt.is_large_string(kind)):
            return bool(word) if pt.is_boolean(kind) else word
        if word not in self._known_texts:
            self._known_texts[word] = self._store.get_text(word)
        return self._known_texts[word]
