"""Sizes as messages and pages tell them: three digits, and a unit in which they are no zero."""

from __future__ import annotations

_UNITS = ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))


def digits(value: float) -> str:
    """Return `value` with three significant digits, and more only before the point."""
    if value == 0:
        return "0"
    text = f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
    return f"{float(text):,.0f}" if "e" in text and abs(value) >= 1 else text


def size_of(n_bytes: float) -> str:
    """Return bytes in words: 1.21 GiB, 310 MiB, 0 B."""
    for scale, unit in _UNITS:
        if abs(n_bytes) >= scale:
            return f"{digits(n_bytes / scale)} {unit}"
    return f"{n_bytes:.0f} B"
