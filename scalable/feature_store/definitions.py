"""What features are: views of events, their latest values, and aggregates over windows of time."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

UNITS = {"s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86_400 * 10**9, "w": 7 * 86_400 * 10**9}
FUNCTIONS = ("count", "sum", "mean", "min", "max", "distinct")
DECIMALS = 6  # digits behind the point that sums of floats keep, where a definition says nothing


def nanoseconds(text: str) -> int:
    """Return a span of time such as ``90s``, ``15m``, ``1h``, ``7d`` or ``4w``.

    Raises
    ------
    ValueError
        It is not written so, not positive, or longer than a hundred years.
    """
    match = re.fullmatch(r"(\d+)([smhdw])", text) if isinstance(text, str) else None
    span = int(match[1]) * UNITS[match[2]] if match else 0
    if not 0 < span <= 36_525 * UNITS["d"]:
        raise ValueError(f"{text!r} is no span of time; write e.g. '90s', '15m', '1h', '7d' or '4w'")
    return span


@dataclass(frozen=True, slots=True)
class Feature:
    """One column that comes of a view.

    Attributes
    ----------
    name : str
        Of the column, e.g. ``payments_amount_sum_7d``.
    function : str
        One of ``FUNCTIONS``, ``latest`` or ``time_since_last``.
    column : str or None
        Of the view's source; None where events are counted.
    window : int or None
        In nanoseconds.
    """

    name: str
    function: str
    column: str | None = None
    window: int | None = None


@dataclass(frozen=True, slots=True)
class Aggregate:
    """Functions of one column over windows.

    Attributes
    ----------
    column : str or None
        None counts events.
    functions, windows : tuple of str
        Each function is taken over each window.
    decimals : int
        Digits behind the point to which floats are rounded before they are added.
    """

    column: str | None
    functions: tuple[str, ...]
    windows: tuple[str, ...]
    decimals: int = DECIMALS


@dataclass(frozen=True, slots=True)
class View:
    """Events of one source, about one sort of entity.

    Attributes
    ----------
    name : str
        Prefix of its features.
    source : str
        Where its Parquet is.
    entity, event_time : str
        Columns of the source: whom an event is about, and when it happened. Keys have an entity column of that name.
    created_time : str or None
        When it came to be known; by default when it happened.
    time_to_live : str or None
        Latest values of this age or older are missing.
    values : tuple of str
        Columns whose latest value is a feature.
    aggregates : tuple of Aggregate
    time_since_last : bool
        Whether the seconds since the latest event are a feature.
    duplicates : str
        ``keep``, or ``drop`` for events that are equal to a later one in all that is used of them.
    time_unit : str or None
        Of times that are whole numbers: ``s``, ``ms``, ``us`` or ``ns`` since 1970.
    """

    name: str
    source: str
    entity: str
    event_time: str
    created_time: str | None = None
    time_to_live: str | None = None
    values: tuple[str, ...] = ()
    aggregates: tuple[Aggregate, ...] = ()
    time_since_last: bool = False
    duplicates: str = "keep"
    time_unit: str | None = None

    @property
    def features(self) -> tuple[Feature, ...]:
        """Its features in the order of the output: values, time since last, aggregates."""
        found = [Feature(f"{self.name}_{column}", "latest", column) for column in self.values]
        if self.time_since_last:
            found.append(Feature(f"{self.name}_time_since_last", "time_since_last"))
        found += list(self._aggregated())
        return tuple(found)

    def _aggregated(self) -> Iterator[Feature]:
        for one in self.aggregates:
            of = "" if one.column is None else f"_{one.column}"
            for window in one.windows:
                for function in one.functions:
                    name = f"{self.name}{of}_{function}_{window}"
                    yield Feature(name, function, one.column, nanoseconds(window))

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the source that features are made of, each once."""
        aggregated = [one.column for one in self.aggregates if one.column is not None]
        return tuple(dict.fromkeys([*self.values, *aggregated]))

    def decimals(self, column: str) -> int:
        """Return the digits that sums of a column keep."""
        return next((one.decimals for one in self.aggregates if one.column == column), DECIMALS)

    @property
    def ttl(self) -> int | None:
        """Time to live in nanoseconds."""
        return None if self.time_to_live is None else nanoseconds(self.time_to_live)

    @property
    def longest(self) -> int:
        """Longest window in nanoseconds, 0 without any."""
        return max((f.window for f in self.features if f.window is not None), default=0)


@dataclass(frozen=True)
class Definitions:
    """All views of one file.

    Attributes
    ----------
    place : str
        The file, for messages and for sources relative to it.
    views : dict of str to View
    """

    place: str
    views: dict[str, View]

    @property
    def features(self) -> tuple[Feature, ...]:
        """The features of all views."""
        return tuple(feature for view in self.views.values() for feature in view.features)

    @property
    def entities(self) -> tuple[str, ...]:
        """Entity columns of the keys, each once."""
        return tuple(dict.fromkeys(view.entity for view in self.views.values()))

    def source_of(self, view: View) -> str:
        """Return where a view's Parquet is: relative paths are relative to the file."""
        if "://" in view.source or Path(view.source).is_absolute():
            return view.source
        return str(Path(self.place).resolve().parent / view.source)

    def meaning(self) -> dict[str, Any]:
        """Return all that features depend on; where sources lie is left out."""
        found = {}
        for name, view in self.views.items():
            parts = asdict(view)
            del parts["source"]
            found[name] = parts
        return json.loads(json.dumps(found))  # type: ignore[no-any-return]

    def fingerprint(self) -> str:
        """Return a digest of what the features mean, 16 hexadecimal digits."""
        text = json.dumps(self.meaning(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def difference(old: Definitions, new: Definitions) -> list[str]:
    """Return what changed from one file to another, a line a feature, and views whose settings changed."""
    lines = []
    before, after = ({f.name: f for f in each.features} for each in (old, new))
    lines += [f"- {name}" for name in before if name not in after]
    lines += [f"+ {name}" for name in after if name not in before]
    for name in old.views.keys() & new.views.keys():
        mine, other = asdict(old.views[name]), asdict(new.views[name])
        for key in mine:
            if mine[key] != other[key] and key not in ("values", "aggregates", "time_since_last"):
                lines.append(f"~ views.{name}.{key}: {mine[key]!r} -> {other[key]!r}")
        for column in set(old.views[name].columns) & set(new.views[name].columns):
            if old.views[name].decimals(column) != new.views[name].decimals(column):
                lines.append(f"~ views.{name}: other decimals of {column!r}")
    return sorted(lines, key=lambda line: line[2:])
