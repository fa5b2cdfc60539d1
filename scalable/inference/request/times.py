"""Times as requests say them: Python's and NumPy's types, ISO 8601, or an integer in the column's unit."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.types as pt

_UNITS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_DAY = 86_400 * 10**9
_NAIVE, _AWARE = datetime(1970, 1, 1), datetime(1970, 1, 1, tzinfo=UTC)
_STAMP = re.compile(r"\d{4}-\d\d-\d\d(?:[T ].+)?")
_CLOCK = re.compile(r"\d\d:.*")  # Python reads the date 20200102 as a time of day, too
_FINE = re.compile(r"(.*[.,]\d{6})(\d+)(.*)")  # more digits than Python reads; it would drop them
_MICRO = timedelta(microseconds=1)


class NotATimeError(ValueError):
    """A value says no time of the column's type; the message says why."""


def nanoseconds_a_tick(kind: pa.DataType) -> int:
    """Return the unit of a temporal type in nanoseconds."""
    if pt.is_date32(kind):
        return _DAY
    return _UNITS["ms"] if pt.is_date64(kind) else _UNITS[kind.unit]


def tick_reader(kind: pa.DataType) -> Callable[[Any], int]:
    """Return a function from a value to a count of the units of `kind`.

    Parameters
    ----------
    kind : pyarrow.DataType
        A timestamp, date, time of day or duration.

    Returns
    -------
    callable
        Takes int, str, datetime, date, time or timedelta; raises NotATimeError for what `kind` does not hold exactly,
        TypeError for other types.
    """
    size = _DAY if pt.is_date(kind) else nanoseconds_a_tick(kind)
    per_size = size // nanoseconds_a_tick(kind)
    zone = getattr(kind, "tz", None) is not None
    if pt.is_time(kind):
        measure = _of_day
    elif pt.is_duration(kind):
        measure = _long
    else:
        measure = _zoned if zone else _plain

    least, most, step = -(2**63), 2**63, 1
    if pt.is_date(kind):  # of 32 bits, or of whole days
        least, most, step = -(2**31) * per_size, 2**31 * per_size, per_size
    elif pt.is_time(kind):
        least, most = 0, _DAY // size
    instant, epoch = pt.is_timestamp(kind), _AWARE if zone else _NAIVE

    def ticks(value: Any) -> int:
        if type(value) is int:
            if value % step or not least <= value < most:
                raise NotATimeError(f"{value} is out of range, or of another unit")
            return value
        if instant and type(value) is datetime and (value.tzinfo is not None) is zone:  # most of them
            found = (value - epoch) // _MICRO * 1000
            if found % size == 0:
                return found // size
        whole, rest = divmod(measure(value), size)
        if rest:
            raise NotATimeError(f"{kind} cannot hold {value} exactly")
        return whole * per_size

    return ticks


def _parsed(text: str, parse: Callable[[str], Any]) -> tuple[Any, int]:
    """Return what `parse` makes of a text, and the nanoseconds that it cannot hold."""
    fine = 0
    if len(text) > 15 and (found := _FINE.fullmatch(text)):
        rest = found[2].ljust(3, "0")
        if rest[3:].strip("0"):
            raise NotATimeError(f"{text!r} is finer than nanoseconds")
        text, fine = found[1] + found[3], int(rest[:3])
    try:
        return parse(text), fine
    except ValueError as error:
        raise NotATimeError(str(error)) from None


def _instant(value: Any) -> tuple[datetime, int]:
    if type(value) is str:
        if not _STAMP.fullmatch(value):
            raise NotATimeError(f"{value!r} is not a time of ISO 8601 as 2026-01-31T12:30:00")
        return _parsed(value, datetime.fromisoformat)
    if type(value) is datetime:
        return value, 0
    if type(value) is date:
        return datetime(value.year, value.month, value.day), 0
    raise TypeError


def _plain(value: Any) -> int:
    found, fine = _instant(value)
    if found.tzinfo is not None:
        raise NotATimeError(f"{value} has a zone, which the column has not")
    return (found - _NAIVE) // _MICRO * 1000 + fine


def _zoned(value: Any) -> int:
    found, fine = _instant(value)
    if found.tzinfo is None:
        raise NotATimeError(f"{value} has no zone, which the column has; add one, such as Z")
    return (found - _AWARE) // _MICRO * 1000 + fine


def _of_day(value: Any) -> int:
    fine = 0
    if type(value) is str:
        if not _CLOCK.fullmatch(value):
            raise NotATimeError(f"{value!r} is not a time of day of ISO 8601 as 12:30:00")
        value, fine = _parsed(value, time.fromisoformat)
    if type(value) is not time:
        raise TypeError
    if value.tzinfo is not None:
        raise NotATimeError(f"{value} has a zone, which the column has not")
    seconds = value.hour * 3600 + value.minute * 60 + value.second
    return (seconds * 10**6 + value.microsecond) * 1000 + fine


def _long(value: Any) -> int:
    if type(value) is str:
        raise NotATimeError(f"{value!r} is text; give a duration as an integer in the column's unit")
    if type(value) is not timedelta:
        raise TypeError
    return value // _MICRO * 1000
