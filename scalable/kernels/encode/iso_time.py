"""Times as microseconds since 1970: of the usual forms of ISO 8601, and of Python's own datetimes."""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.jit import kernel
from scalable.kernels.memory import load_u8, load_u64

BAD = -(2**63)
"""Not of the usual form: for Python, which takes it or says what is wrong."""
ZONED_AT, FIELDS_AT, ZONE_AT = 24, 25, 40
"""Bytes from a datetime's beginning to whether it has a zone, to year, month, ... (10 bytes), to the zone's address."""

_DAY, _SECOND = 86_400, 1_000_000


@kernel(inline=True)
def _digits(text: Any, at: Any, count: Any) -> Any:
    """Return the number that `count` digits say; below 0 where one is none."""
    found = np.int64(0)
    for k in range(count):
        digit = np.int64(load_u8(text + np.uintp(at + k))) - 48
        if digit < 0 or digit > 9:
            return np.int64(BAD)
        found = found * 10 + digit
    return found


@kernel(inline=True)
def _days_of_month(year: Any, month: Any) -> Any:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


@kernel(inline=True)
def _micros(year: Any, month: Any, day: Any, hour: Any, minute: Any, second: Any, micro: Any) -> Any:
    """Return microseconds since 1970 of the Gregorian calendar; `BAD` where a part is out of range."""
    good = year >= 1 and 1 <= month <= 12 and day >= 1 and 0 <= hour <= 23
    if not (good and 0 <= minute <= 59 and 0 <= second <= 59 and day <= _days_of_month(year, month)):
        return np.int64(BAD)
    # Years begin in March, so that the leap day is their last.
    y = year - (1 if month <= 2 else 0)
    m = month + (9 if month <= 2 else -3)
    days = 365 * y + y // 4 - y // 100 + y // 400 + (153 * m + 2) // 5 + day - 1 - 719_468
    return ((days * _DAY + hour * 3600 + minute * 60 + second) * _SECOND) + micro


@kernel(inline=True)
def _byte(text: Any, at: Any) -> Any:
    return np.int64(load_u8(text + np.uintp(at)))


@kernel(inline=True)
def iso_micros(text: Any, size: Any, zoned: Any) -> Any:
    """Return what ``YYYY-MM-DD[T ]HH:MM[:SS[.f]][Z|+HH:MM]`` says, `BAD` for other texts.

    Parameters
    ----------
    text : int
        Address of UTF-8.
    size : int
        In bytes.
    zoned : bool
        Whether there is to be a zone.
    """
    if size < 16 or _byte(text, 4) != 45 or _byte(text, 7) != 45 or _byte(text, 13) != 58:
        return np.int64(BAD)
    if _byte(text, 10) not in (84, 32):
        return np.int64(BAD)
    year, month, day = _digits(text, 0, 4), _digits(text, 5, 2), _digits(text, 8, 2)
    hour, minute = _digits(text, 11, 2), _digits(text, 14, 2)
    second, micro, at = np.int64(0), np.int64(0), np.int64(16)
    if size >= 19 and _byte(text, 16) == 58:
        second, at = _digits(text, 17, 2), np.int64(19)
        if size > 20 and _byte(text, 19) == 46:
            at, scale = np.int64(20), np.int64(_SECOND)
            while at < size and 48 <= _byte(text, at) <= 57 and scale > 1:
                scale //= 10
                micro += (_byte(text, at) - 48) * scale
                at += 1
            if at == 20:
                return np.int64(BAD)
    offset, left = np.int64(0), size - at
    if zoned:
        if left == 6 and _byte(text, at) in (43, 45) and _byte(text, at + 3) == 58:
            hours, minutes = _digits(text, at + 1, 2), _digits(text, at + 4, 2)
            if not (0 <= hours <= 23 and 0 <= minutes <= 59):
                return np.int64(BAD)
            offset = (hours * 60 + minutes) * 60 * _SECOND
            if _byte(text, at) == 45:
                offset = -offset
        elif left != 1 or _byte(text, at) != 90:
            return np.int64(BAD)
    elif left != 0:
        return np.int64(BAD)
    found = _micros(year, month, day, hour, minute, second, micro)
    return found if found == BAD else found - offset


@kernel(inline=True)
def datetime_micros(value: Any, zoned: Any, utc: Any, zone_utc: Any) -> Any:
    """Return what a Python datetime says, `BAD` for one of another zone.

    Parameters
    ----------
    value, utc, zone_utc : int
        Addresses of a datetime, and of two zones that are UTC.
    zoned : bool
        Whether there is to be a zone.
    """
    if (load_u8(value + np.uintp(ZONED_AT)) != 0) != zoned:
        return np.int64(BAD)
    if zoned:
        zone = np.uintp(load_u64(value + np.uintp(ZONE_AT)))
        if zone not in (utc, zone_utc):
            return np.int64(BAD)
    at = value + np.uintp(FIELDS_AT)
    year, micro = _byte(at, 0) * 256 + _byte(at, 1), _byte(at, 7) * 65_536 + _byte(at, 8) * 256 + _byte(at, 9)
    return _micros(year, _byte(at, 2), _byte(at, 3), _byte(at, 4), _byte(at, 5), _byte(at, 6), micro)
