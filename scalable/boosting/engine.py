"""Which engine grows the trees: LightGBM, or this package's own where it does all that is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scalable.boosting.native.settings import unsupported
from scalable.errors import UsageError

ENGINES = ("lightgbm", "native", "auto")


def chosen_engine(asked: str, values: Mapping[str, Any]) -> tuple[str, str]:
    """Return the engine, and why it is not the one that was hoped for (empty when it is).

    Parameters
    ----------
    asked : str
        One of `ENGINES`.
    values : mapping
        LightGBM's parameters in canonical spelling.

    Raises
    ------
    UsageError
        On an engine nobody knows, or when ``native`` was asked for what it does not do.
    """
    if asked not in ENGINES:
        raise UsageError(f"engine must be one of {', '.join(ENGINES)}, found {asked!r}")
    if asked == "lightgbm":
        return asked, ""
    missing = unsupported(values)
    if not missing:
        return "native", ""
    words = f"engine='native' does not do {', '.join(missing)}"
    if asked == "native":
        raise UsageError(f"{words}; leave it out, or use engine='lightgbm' or 'auto'")
    return "lightgbm", words
