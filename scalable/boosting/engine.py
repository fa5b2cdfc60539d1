"""Which engine grows the trees: LightGBM, or this package's own where it does all that is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable import progress
from scalable.boosting.native.settings import unsupported
from scalable.errors import UsageError

ENGINES = ("lightgbm", "native", "auto")
# LightGBM bundles columns of mostly one value, or visits their other values only; the native engine visits every value,
# in half the time. Columns with fewer other values than the share count as that share in its work.
SPARSE_SHARE, LEAST_WORK = 0.2, 0.5
MOST_LOOKED_AT = 20_000
# Rows times columns times trees that LightGBM takes a second for: less is over before kernels have been loaded or, once
# a machine, compiled.
LEAST_VALUES = 2**28


def asked_engine(values: Mapping[str, Any]) -> str:
    """Return the engine that parameters in canonical spelling ask for, by word or by default."""
    return str(values.get("engine", "native" if values.get("boosting") == "full" else "auto"))


def left_to_lightgbm(reason: str) -> str:
    """Say in one line why LightGBM grows the trees, and return its name."""
    with progress.task(f"engine: lightgbm, because {reason}"):
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


def lightgbm_is_faster(columns: Sequence[NDArray[np.float64]], n_rows: int, n_trees: int) -> str:
    """Return why data is better left to LightGBM; empty where it is not.

    Parameters
    ----------
    columns : sequence of float64 arrays (n_sampled,)
        The sample that bins are made from.
    n_rows, n_trees : int
        Of the fit, on all workers together.
    """
    n = len(columns)
    if n_rows * n * n_trees < LEAST_VALUES:
        return f"{n_rows:,} rows x {n} columns x {n_trees:,} trees are little work"
    others = [_share_of_others(column[:: 1 + len(column) // MOST_LOOKED_AT]) for column in columns]
    sparse = [share for share in others if share < SPARSE_SHARE]
    work = n - len(sparse) + sum(sparse)
    return f"{len(sparse)} of {n} columns are mostly one value" if work < LEAST_WORK * n else ""


def _share_of_others(column: NDArray[np.float64]) -> float:
    """Return the share of values that are not the usual one, where that is more than half; any larger one otherwise."""
    known = column[~np.isnan(column)]
    if len(known) * 2 <= len(column):  # missing is usual
        return len(known) / max(1, len(column))
    return float(np.mean(column != np.median(known)))
