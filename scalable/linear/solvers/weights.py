"""Class weights, and what they make of the classes before anything is learned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scalable.linear.solvers.objective import Objective


def residual_variance(totals: Sequence[float], by_class: tuple[float, ...]) -> float:
    """Return the mean squared gradient of the rows when every score is the prior, weights of mean 1."""
    share = np.asarray(totals) / max(sum(totals), 1e-300)
    factor = np.asarray(by_class) if by_class else np.ones(len(share))
    factor = factor / max(float(share @ factor), 1e-300)
    prior = share * factor
    return float(np.sum(share * factor**2 * (1.0 - prior) ** 2))


def prior_scores(totals: Sequence[float], objective: Objective) -> NDArray[np.float64]:
    """Return the intercepts that predict the weighted classes, shape (n_outputs,).

    Starting there spares rare positives a pass of learning how rare they are.
    """
    mass = np.asarray(totals, np.float64)
    if objective.class_weight:
        mass = mass * np.asarray(objective.class_weight)
    mass = np.maximum(mass, 1e-12 * max(mass.sum(), 1e-300))
    if objective.n_outputs == 1:
        return np.array([np.log(mass[1] / mass[0])])
    if objective.loss >= 0:  # one versus rest
        return np.asarray(np.log(mass / (mass.sum() - mass)))
    logs = np.log(mass / mass.sum())
    return np.asarray(logs - logs.mean())
