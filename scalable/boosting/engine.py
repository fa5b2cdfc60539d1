"""Which engine grows the trees: LightGBM, or this package's own where it does all that is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scalable import progress
from scalable.boosting.native.settings import unsupported
from scalable.errors import UsageError

ENGINES = ("lightgbm", "native", "auto")
# Rows times columns times trees that LightGBM takes a second for: less is over before kernels have been loaded or, once
# a machine, compiled.
LEAST_VALUES = 2**28
EQUAL_HESSIANS = ("regression", "huber")  # of rows without weights, beside PERCENTILES


def asked_engine(values: Mapping[str, Any]) -> str:
    """Return the engine that parameters in canonical spelling ask for, by word or by default."""
    return str(values.get("engine", "native" if values.get("boosting") == "full" else "auto"))


def left_to_lightgbm(reason: str) -> str:
    """Say in one line why LightGBM grows the trees, and return its name."""
    progress.say(f"engine: lightgbm, because {reason}")
    return "lightgbm"


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


def estimates_rows(objective: str, n_workers: int, *, weighted: bool) -> bool:
    """Return whether LightGBM would take the rows of a leaf from its hessians, so that trees depend on the workers.

    On several workers it does; where all hessians are equal that is their number.
    """
    return n_workers > 1 and (weighted or objective not in EQUAL_HESSIANS)


def lightgbm_is_faster(n_rows: int, n_columns: int, n_trees: int) -> str:
    """Return why data is better left to LightGBM; empty where it is not.

    Parameters
    ----------
    n_rows, n_columns, n_trees : int
        Of the fit, on all workers together.
    """
    if n_rows * n_columns * n_trees >= LEAST_VALUES:
        return ""
    return f"{n_rows:,} rows x {n_columns} columns x {n_trees:,} trees are little work"
