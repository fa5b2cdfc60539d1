"""Successive halving (Jamieson and Talwalkar, 2016): many trials on a small budget, the best on a larger one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from scalable.errors import UsageError


@dataclass(frozen=True, slots=True)
class Rung:
    """One step: so many trials reach this budget."""

    trials: int
    budget: int


def ladder(n_trials: int, budget: int, eta: int = 3, least: int = 1) -> list[Rung]:
    """Return the rungs, the last of the full budget.

    Parameters
    ----------
    n_trials : int
        Trials of the first rung.
    budget : int
        Of the last rung, in the learner's unit.
    eta : int
        One trial in `eta` goes on to a budget `eta` times as large.
    least : int
        Budget below which a loss says nothing.

    Raises
    ------
    UsageError
        When a number is too small.
    """
    for name, value, lowest in (("n_trials", n_trials, 1), ("budget", budget, 1), ("eta", eta, 2)):
        if value < lowest:
            raise UsageError(f"{name} must be at least {lowest}, found {value}")
    steps = 0
    while eta ** (steps + 1) <= n_trials and budget // eta ** (steps + 1) >= max(1, least):
        steps += 1
    return [
        Rung(max(1, n_trials // eta**step), max(1, budget // eta ** (steps - step)))
        for step in range(steps + 1)
    ]


def survivors(losses: Mapping[int, float], n: int) -> list[int]:
    """Return the `n` trials of least loss in the order of their numbers; those without a loss never go on."""
    finite = [(loss, trial) for trial, loss in losses.items() if math.isfinite(loss)]
    return sorted(trial for _, trial in sorted(finite)[:n])
