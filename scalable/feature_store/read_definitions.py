"""Reading a file of definitions: TOML, checked key by key; nothing in it is executed."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from scalable.errors import DataError
from scalable.feature_store.definitions import DECIMALS, FUNCTIONS, Aggregate, Definitions, View, nanoseconds

_VIEW = {
    "source": str, "entity": str, "event_time": str, "created_time": str, "time_to_live": str, "values": list,
    "aggregates": list, "time_since_last": bool, "duplicates": str, "time_unit": str,
}  # fmt: skip
_AGGREGATE = {"column": str, "functions": list, "windows": list, "decimals": int}
_SAID = {str: "text", list: "a list", bool: "true or false", int: "a whole number"}
_MOST_DECIMALS = 15
MOST_VIEWS = 126


def read_definitions(path: str | os.PathLike[str]) -> Definitions:
    """Read a file of definitions; see ``docs/feature_store.md`` for what it may say.

    Raises
    ------
    DataError
        When it cannot be read, or says something that is unknown, of another type or contradictory; names file, table
        and key, and the remedy.
    """
    place = os.fspath(path)
    try:
        with open(place, "rb") as file:
            found = tomllib.load(file)
    except OSError as error:
        raise DataError(
            f"{place}: cannot be read ({error.strerror or error}); name a file of definitions"
        ) from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: is not TOML ({error})") from None
    _known(found, ["views"], place)
    views = found.get("views")
    if not isinstance(views, dict) or not views:
        raise DataError(f"{place}: defines no view; begin one with [views.NAME]")
    if len(views) > MOST_VIEWS:
        raise DataError(f"{place}: defines {len(views)} views; more than {MOST_VIEWS} go into another file")
    read = {name: _view(place, name, table) for name, table in views.items()}
    definitions = Definitions(place, read)
    names = [feature.name for feature in definitions.features]
    names += [name for name in definitions.entities if name in names]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{place}: {twice[0]!r} is the name of two columns; rename a view, or list it once")
    return definitions


def _known(table: Mapping[str, Any], keys: Iterable[str], where: str) -> None:
    for key in table:
        if key not in keys:
            near = difflib.get_close_matches(key, list(keys), n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it may have {', '.join(keys)}"
            raise DataError(f"{where}: unknown key {key!r}; {hint}")


def _typed(table: Any, kinds: Mapping[str, type], where: str) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise DataError(f"{where}: expected a table, found {table!r}")
    _known(table, kinds, where)
    for key, value in table.items():
        if type(value) is not kinds[key]:
            raise DataError(f"{where}.{key}: expected {_SAID[kinds[key]]}, found {value!r}")
        if kinds[key] is str and not value:
            raise DataError(f"{where}.{key}: is empty")
    return dict(table)


def _texts(values: list[Any], where: str) -> tuple[str, ...]:
    if not values or not all(isinstance(value, str) and value for value in values):
        raise DataError(f"{where}: expected a list of names, found {values!r}")
    if len(set(values)) < len(values):
        raise DataError(f"{where}: names something twice: {values!r}")
    return tuple(values)


def _span(text: str, where: str) -> str:
    try:
        nanoseconds(text)
    except ValueError as error:
        raise DataError(f"{where}: {error}") from None
    return text


def _one_of(value: str, known: tuple[str, ...], where: str) -> str:
    if value not in known:
        near = difflib.get_close_matches(value, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(known)} is possible"
        raise DataError(f"{where}: {value!r} is unknown; {hint}")
    return value


def _view(place: str, name: str, table: Any) -> View:
    where = f"{place}: [views.{name}]"
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise DataError(f"{where}: a view is named by letters, digits and _")
    given = _typed(table, _VIEW, where)
    for key in ("source", "entity", "event_time"):
        if key not in given:
            raise DataError(f"{where}: lacks {key!r}")
    if "values" in given:
        given["values"] = _texts(given["values"], f"{where}.values")
    if "time_to_live" in given:
        _span(given["time_to_live"], f"{where}.time_to_live")
    _one_of(given.get("duplicates", "keep"), ("keep", "drop"), f"{where}.duplicates")
    _one_of(given.get("time_unit", "ns"), ("s", "ms", "us", "ns"), f"{where}.time_unit")
    aggregates = given.get("aggregates", [])
    given["aggregates"] = tuple(
        _aggregate(f"{where}.aggregates[{i}]", one) for i, one in enumerate(aggregates)
    )
    view = View(name=name, **given)
    if not view.features:
        raise DataError(f"{where}: defines no feature; give values, aggregates or time_since_last")
    digits: dict[str | None, int] = {}
    for one in view.aggregates:
        if digits.setdefault(one.column, one.decimals) != one.decimals:
            raise DataError(f"{where}: aggregates of {one.column!r} with different decimals; give one number")
    roles = [view.entity, view.event_time, view.created_time]
    for column in view.columns:
        if column in roles:
            raise DataError(
                f"{where}: {column!r} is entity or time, and a value besides; copy it to another column"
            )
    return view


def _aggregate(where: str, table: Any) -> Aggregate:
    given = _typed(table, _AGGREGATE, where)
    for key in ("functions", "windows"):
        if key not in given:
            raise DataError(f"{where}: lacks {key!r}")
    functions = _texts(given["functions"], f"{where}.functions")
    for function in functions:
        _one_of(function, FUNCTIONS, f"{where}.functions")
    column = given.get("column")
    if column is None and functions != ("count",):
        raise DataError(f"{where}: lacks 'column'; without one only 'count' is possible, of events")
    windows = tuple(_span(text, f"{where}.windows") for text in _texts(given["windows"], f"{where}.windows"))
    decimals = given.get("decimals", DECIMALS)
    if not 0 <= decimals <= _MOST_DECIMALS:
        raise DataError(f"{where}.decimals: expected 0 to {_MOST_DECIMALS}, found {decimals}")
    return Aggregate(column, functions, windows, decimals)
