"""What the user can mend: every message names the thing, what was found, and the remedy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral
from typing import Any


class ScalableError(Exception):
    """Base of all errors that the command line shows as one line without a traceback."""


class UsageError(ScalableError, ValueError):
    """The request itself is off (an unknown name, a contradiction of options); exit code 2."""


class DataError(ScalableError, ValueError):
    """The data cannot be used as asked: a missing column, a damaged file, a single class."""


class UnforeseenError(DataError):
    """A row contradicts what a sample of the rows, or the training rows, told: who learns from it begins anew."""


class StatisticsError(DataError):
    """A file's own statistics are wrong: row groups were left out that may hold what was asked for."""


class ModelError(ScalableError, ValueError):
    """A saved model is damaged, of an unknown version, or does not fit the data."""


class PlanError(ScalableError, RuntimeError):
    """A job was refused before it started, e.g. because its predicted memory does not fit."""


class ClusterError(ScalableError, RuntimeError):
    """The Dask cluster cannot be reached, lost workers, or runs other versions."""


class DataWarning(UserWarning):
    """What was decided about the data that its owner may want to know; the command line shows it as one line."""


def listed(names: Sequence[str], most: int = 24) -> str:
    """Return names for a message, which stays short where there are thousands."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def shown(value: Any, most: int = 80) -> str:
    """Return a value for a message, in one line: arrays take several."""
    return f"{' '.join(repr(value).split()):.{most}}"


def whole_number(name: str, value: Any, least: int = 1) -> None:
    """Raise a UsageError unless a parameter is a whole number of so many or more."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise UsageError(f"{name} must be a whole number of {least} or more, not {value!r}")


def not_negative(name: str, value: Any) -> None:
    """Raise a UsageError unless a parameter is a finite number of zero or more."""
    if not 0.0 <= value < math.inf:
        raise UsageError(f"{name} must be finite and not negative, not {value!r}")
