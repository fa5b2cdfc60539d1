"""What a worker does in a search: keep the rows of one search in memory, and measure trials on them."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import Any, Protocol

import lightgbm as lgb

# What a trial's parameters may be to blame for; what users can mend are ValueErrors.
REFUSED = (lgb.basic.LightGBMError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Measured:
    """What a trial reached.

    Attributes
    ----------
    value : float or None
        The metric on the held-out rows at its best; None where the trial failed.
    at : int
        The budget at which that was.
    curve : tuple of (budget, value)
        On the way, thinned out.
    fault : str
        Why it failed.
    """

    value: float | None
    at: int = 0
    curve: tuple[tuple[int, float], ...] = ()
    fault: str = ""

    def loss(self, sign: float) -> float:
        """Return what is minimised; infinite where there is nothing."""
        return math.inf if self.value is None or math.isnan(self.value) else sign * self.value


class Rows(Protocol):
    """The rows of a search in a worker's memory."""

    def measure(self, trial: int, budget: int) -> Measured:
        """Bring a trial to a budget."""

    def close(self) -> None:
        """Give up memory, threads and files."""


class Plan(Protocol):
    """A search as workers are sent it; picklable."""

    @property
    def token(self) -> str:
        """Identifies the search."""

    @property
    def budget(self) -> int:
        """Of the last rung."""

    @property
    def least(self) -> int:
        """Budget below which a loss says nothing."""

    @property
    def unit(self) -> str:
        """What budgets count."""

    @property
    def metric(self) -> str:
        """What is measured."""

    @property
    def higher_is_better(self) -> bool:
        """Whether larger values of it are better."""

    def open(self, n_threads: int) -> Rows:
        """Read the rows."""


_lock = threading.Lock()  # of this process: one trial at a time uses all its threads
_held: dict[str, Any] = {}  # rows of one search at most


def measure(plan: Plan, trial: int, budget: int, n_threads: int) -> Measured:
    """Bring a trial to a budget in this process, which keeps the rows for the next one.

    A trial whose parameters cannot be learned with has failed, and says why; other errors are raised.
    """
    with _lock:
        if plan.token not in _held:
            _forget()
            _held[plan.token] = plan.open(n_threads)
        try:
            found: Measured = _held[plan.token].measure(trial, budget)
        except REFUSED as error:
            return Measured(None, fault=str(error).partition("\n")[0])
        return found


def forget(token: str) -> None:
    """Give up the rows of a search."""
    with _lock:
        if token in _held:
            _forget()


def _forget() -> None:
    while _held:
        _held.popitem()[1].close()
