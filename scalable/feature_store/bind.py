"""A view bound to the types of its source: what is impossible is refused before a row is read."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.types as pt

from scalable.data.columns import column_kind, require_column
from scalable.data.source import Source
from scalable.data.table import as_source
from scalable.data.types.logical import family, type_named
from scalable.errors import DataError
from scalable.feature_store.definitions import Definitions, Feature, View


@dataclass(frozen=True)
class BoundView:
    """A view whose types are known.

    Attributes
    ----------
    view : View
    entity, event_time, created_time : pyarrow.DataType
        Types of those columns; the last is the second without a column of its own.
    types : dict of str to pyarrow.DataType
        Of the columns that features are made of.
    """

    view: View
    entity: pa.DataType
    event_time: pa.DataType
    created_time: pa.DataType
    types: dict[str, pa.DataType]

    @property
    def read(self) -> list[str]:
        """Columns to read of the source."""
        times = [self.view.event_time, *([self.view.created_time] if self.view.created_time else [])]
        return list(dict.fromkeys([self.view.entity, *times, *self.view.columns]))

    @property
    def text_columns(self) -> list[str]:
        """Columns of text."""
        return [name for name, kind in self.types.items() if column_kind(kind) == "text"]

    def type_of(self, feature: Feature) -> pa.DataType:
        """Return the type of a feature's column."""
        if feature.function in ("count", "distinct"):
            return pa.int64()
        if feature.function in ("mean", "time_since_last"):
            return pa.float64()
        assert feature.column is not None
        kind = self.types[feature.column]
        if feature.function == "sum":
            return pa.float64() if pt.is_floating(kind) else pa.int64()
        return pa.string() if column_kind(kind) == "text" else kind

    def to_json(self) -> dict[str, object]:
        """Return the types by name, for a store to remember."""
        return {
            "entity": str(self.entity),
            "event_time": str(self.event_time),
            "created_time": str(self.created_time),
            "types": {name: str(kind) for name, kind in self.types.items()},
        }


def bound_from_json(view: View, found: dict[str, object]) -> BoundView:
    """Return what `BoundView.to_json` was told of; raises ValueError, KeyError or TypeError where it is not that."""
    types = found["types"]
    if not isinstance(types, dict) or set(types) != set(view.columns):
        raise ValueError(f"types of other columns than {', '.join(view.columns)}")
    entity, event, created = (type_named(str(found[key])) for key in ("entity", "event_time", "created_time"))
    return BoundView(view, entity, event, created, {name: type_named(kind) for name, kind in types.items()})


def as_before(bound: BoundView, before: BoundView | None, store: object) -> BoundView:
    """Return a view of further events with the types that a store has of the first; `bound` where there are none.

    Text may be laid out in any way, times and whole numbers may have other widths: they are brought to the store's.

    Raises
    ------
    DataError
        A column means something else than before, or is a float of another width, whose values would not be equal.
    """
    if before is None:
        return bound
    view, pairs = bound.view, {name: (kind, before.types[name]) for name, kind in bound.types.items()}
    wrong = {name: pair for name, pair in pairs.items() if not _alike(*pair)}
    for name, here, there in (
        (view.event_time, bound.event_time, before.event_time),
        (view.created_time or view.event_time, bound.created_time, before.created_time),
    ):
        if _sort(here) != _sort(there):
            wrong[name] = here, there
    if pt.is_integer(bound.entity) != pt.is_integer(before.entity):
        wrong[view.entity] = bound.entity, before.entity
    for name, (here, there) in wrong.items():
        raise DataError(
            f"{store}: view {view.name!r} was made of columns of other types: {name!r} was {there}, is {here} here; "
            f"give it as {there}, or materialize it anew elsewhere"
        )
    return before


def _alike(here: pa.DataType, there: pa.DataType) -> bool:
    kinds = column_kind(here), column_kind(there)
    return kinds[0] == kinds[1] and family(here) == family(there) and (kinds[0] != "float" or here == there)


def open_view(definitions: Definitions, view: View) -> tuple[BoundView, Source]:
    """Return a view bound to its source, and the source."""
    from scalable.data.parquet import ParquetSource

    place = definitions.source_of(view)
    where = f"{definitions.place}: [views.{view.name}]: {place}"
    names = [view.entity, view.event_time, *([view.created_time] if view.created_time else []), *view.columns]
    try:
        source = ParquetSource(place, features=list(dict.fromkeys(names)))
    except DataError as error:
        raise DataError(f"{definitions.place}: [views.{view.name}]: {error}") from None
    return bind(view, source.full_schema, where), source


def bind(view: View, schema: pa.Schema, where: str) -> BoundView:
    """Check a view against the columns of its events.

    Raises
    ------
    DataError
        A column is missing or of a type that cannot be used so.
    """
    times = {"event_time": view.event_time, "created_time": view.created_time or view.event_time}
    for role, name in {"entity": view.entity, **times, **{f"values {n}": n for n in view.columns}}.items():
        require_column(schema, name, where, role.partition(" ")[0])
    entity = schema.field(view.entity).type
    check_entity(entity, view.entity, where)
    event, created = (schema.field(name).type for name in times.values())
    for role, name in times.items():
        _check_time(schema.field(name).type, name, role, view.time_unit, where)
    if _sort(event) != _sort(created):
        raise DataError(
            f"{where}: {view.event_time!r} is {event} but {view.created_time!r} is {created}: time zones are mixed; "
            "write both with a zone or both without"
        )
    types = {name: schema.field(name).type for name in view.columns}
    for name, kind in types.items():
        if column_kind(kind) is None or pt.is_decimal(kind) or pt.is_null(kind) or pt.is_uint64(kind):
            raise DataError(f"{where}: column {name!r} is {kind}; write it as int64, float64, text or a time")
    for one in view.aggregates:
        if one.column is None:
            continue
        kind, sort = types[one.column], column_kind(types[one.column])
        unfit = [
            f for f in one.functions if f in ("sum", "mean") and sort not in ("boolean", "integer", "float")
        ]
        unfit += [f for f in one.functions if f in ("min", "max") and sort == "text"]
        if unfit:
            raise DataError(
                f"{where}: {unfit[0]!r} of {one.column!r}, which is {kind}, means nothing; count it instead"
            )
    return BoundView(view, entity, event, created, types)


def check_entity(kind: pa.DataType, name: str, where: str) -> str:
    """Return ``integer`` or ``text``; raise DataError for an entity of another type."""
    found = column_kind(kind)
    if found not in ("integer", "text") or (pt.is_dictionary(kind) and family(kind) != "text"):
        raise DataError(f"{where}: entity column {name!r} is {kind}; entities are whole numbers or text")
    return found


def _sort(kind: pa.DataType) -> str:
    return "integer" if pt.is_integer(kind) else family(kind)


def _check_time(kind: pa.DataType, name: str, role: str, unit: str | None, where: str) -> None:
    whole, times = pt.is_integer(kind), pt.is_timestamp(kind) or pt.is_date(kind)
    if not whole and not times:
        raise DataError(f"{where}: {role} {name!r} is {kind}; times are timestamps, dates, or whole numbers")
    if whole and unit is None:
        raise DataError(
            f"{where}: {role} {name!r} is {kind}; say of what with time_unit = 's', 'ms', 'us' or 'ns'"
        )
    if times and unit is not None:
        raise DataError(f"{where}: {role} {name!r} is {kind}, which says its unit; leave time_unit out")


def check_keys(bound: BoundView, schema: pa.Schema, time: str, where: str) -> None:
    """Check that the keys can be looked up in a view.

    Raises
    ------
    DataError
        They lack a column, or entity or time are of another sort than the view's.
    """
    name = bound.view.entity
    require_column(schema, name, where, "entity")
    require_column(schema, time, where, "time")
    kind = schema.field(name).type
    if check_entity(kind, name, where) != check_entity(bound.entity, name, where):
        raise DataError(
            f"{where}: entity column {name!r} is {kind} but {bound.entity} in view {bound.view.name!r}; write it as "
            f"{bound.entity}"
        )
    kind = schema.field(time).type
    _check_time(kind, time, "time", bound.view.time_unit if pt.is_integer(kind) else None, where)
    if _sort(kind) != _sort(bound.event_time):
        raise DataError(
            f"{where}: time column {time!r} is {kind} but {bound.event_time} in view {bound.view.name!r}; "
            "write both with a time zone, both without, or both as whole numbers"
        )


def keys_source(keys: object, where: str = "keys") -> Source:
    """Return the keys as a source: a path, a frame, a table or a source."""
    import os

    from scalable.data.parquet import ParquetSource

    if isinstance(keys, (str, os.PathLike)):
        return ParquetSource(keys)
    return as_source(keys)
