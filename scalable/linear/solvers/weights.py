"""Class weights, and what they make of the classes before anything is learned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scalable.kernels.linear.losses import LOSSES
from scalable.linear.solvers.objective import Objective


def residual_variance(totals: Sequence[float], by_class: tuple[float, ...]) -> float:
    """Return the mean squared gradient of the rows when every score is the prior, weights of mean 1."""
    share = np.asarray(totals) / max(sum(totals), 1e-300)
    factor = np.asarray(by_class) if by_class else np.ones(len(share))
    factor = factor / max(float(share @ factor), 1e-300)
    prior = share * factor
    return float(np.sum(share * factor**2 * (1.0 - prior) ** 2))


def evenness(objective: Objective) -> float:
    """Return how many rows of two classes of even size and weight tell as much as one: 1 but where one is rare."""
    if objective.loss != LOSSES["log_loss"].code or objective.n_outputs > 1:
        return 1.0
    even = 4.0 * max(objective.residual_variance, 1e-9)
    return min(even, 1.0 / even)


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
