"""Progress of long work: libraries report here, a front end such as the command line listens."""

from __future__ import annotations

import threading
from typing import Any, Protocol


class Task(Protocol):
    """One piece of long work, as a front end shows it."""

    def advance(self, amount: float, **metrics: float | str) -> None:
        """Add `amount` units of finished work and show the latest metrics."""

    def close(self, finished: bool) -> None:
        """Freeze the display of this task, as finished or as broken off."""


class Reporter(Protocol):
    """A front end that shows tasks."""

    def open(self, label: str, total: float | None, unit: str) -> Task:
        """Start showing a task of `total` units (None when unknown); one without a unit is a line of words."""


_lock = threading.Lock()
_reporter: Reporter | None = None


def install(reporter: Reporter | None) -> None:
    """Make `reporter` receive the progress of this process; None silences it again."""
    global _reporter  # noqa: PLW0603  one terminal, one reporter
    with _lock:
        _reporter = reporter


class task:  # noqa: N801  reads as a verb: `with progress.task(...)`
    """Context manager of one piece of long work; silent unless a reporter is installed.

    Parameters
    ----------
    label : str
        What is being done, e.g. ``"train logistic"``.
    total : float, optional
        Units of work in all, usually rows.
    unit : str
        Name of the unit, shown in the rate (``rows/s``).
    """

    def __init__(self, label: str, total: float | None = None, unit: str = "rows") -> None:
        self._spec = (label, total, unit)
        self._shown: Task | None = None
        self._reached = 0.0
        self._lock = threading.Lock()

    def __enter__(self) -> task:
        reporter = _reporter
        self._shown = reporter.open(*self._spec) if reporter is not None else None
        return self

    def advance(self, amount: float, **metrics: float | str) -> None:
        """Report `amount` more finished units; callable from any thread."""
        if self._shown is not None:
            with self._lock:
                self._shown.advance(amount, **metrics)

    def reach(self, total: float) -> None:
        """Report that `total` units are finished in all; for work that counts by itself, on one thread."""
        self.advance(total - self._reached)
        self._reached = total

    def __exit__(self, *exc: Any) -> None:
        if self._shown is not None:
            self._shown.close(exc[0] is None)


def say(words: str) -> None:
    """Say in one line what was decided on the way; silent unless a reporter is installed."""
    with task(words, unit=""):
        pass
