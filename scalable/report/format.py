"""Numbers as people read them: three or four digits and a unit."""

from __future__ import annotations

import math
from typing import Any

from scalable.storage.sizes import digits, size_of

_COUNTS = ((1e9, "B"), (1e6, "M"), (1e3, "k"))
MISSING = "–"


def count(value: float | None) -> str:
    """Return a count or rate: 5M, 12.3k, 950."""
    if value is None:
        return MISSING
    for scale, unit in _COUNTS:
        if abs(value) >= scale * 0.9995:
            return f"{digits(value / scale)}{unit}"
    return digits(value)


def rows(value: float | None) -> str:
    """Return a number of rows; a stage of no rows has none to show."""
    return count(value or None)


def size(value: float | None) -> str:
    """Return bytes: 1.21 GiB."""
    return MISSING if value is None else size_of(value)


def seconds(value: float | None) -> str:
    """Return a duration: 850 µs, 12.3 ms, 4.56 s, 2 min 05 s, 1 h 05 min."""
    if value is None:
        return MISSING
    if value == 0:
        return "0 s"
    if not math.isfinite(value):
        return f"{value} s"
    if value >= 3600:
        return f"{int(value // 3600)} h {int(value % 3600 // 60):02d} min"
    if value >= 100:
        return f"{int(value // 60)} min {int(value % 60):02d} s"
    for scale, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if value >= scale:
            return f"{digits(value / scale)} {unit}"
    return f"{digits(value * 1e9)} ns"


def micros(value: float | None) -> str:
    """Return a duration given in microseconds."""
    return MISSING if value is None else seconds(value * 1e-6)


def score(value: float | None) -> str:
    """Return a quality metric with the digits that differ between good models."""
    if value is None:
        return MISSING
    return f"{value:.5f}" if abs(value) < 1000 else f"{value:,.1f}"


def signed(value: float | None) -> str:
    """Return a difference of metrics, with its sign."""
    return MISSING if value is None else f"{value:+.5f}".replace("-", "−")


def percent(value: float) -> str:
    """Return a share: 0.1%, 12%."""
    return f"{100 * value:.4g}%"


def factor(value: float | None) -> str:
    """Return a ratio: 4.2×."""
    return MISSING if value is None else f"{digits(value)}×"


def anything(value: Any) -> str:
    """Return a value of unknown meaning in a table cell."""
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if 1e6 <= abs(value) < 1e15 else f"{value:,.6g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {anything(item)}" for key, item in value.items())
    if isinstance(value, list):
        return f"{len(value)} values" if len(value) > 8 else ", ".join(anything(item) for item in value)
    return str(value)
