"""Class weights, and what they make of the classes before anything is learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.errors import UsageError
from scalable.linear.solvers.objective import Objective


def class_weights(given: Any, classes: tuple[Any, ...], totals: Sequence[float]) -> tuple[float, ...]:
    """Return a factor a class, or nothing for none.

    Parameters
    ----------
    given : None, "balanced" or dict
        As in scikit-learn.
    classes : tuple
        Labels.
    totals : sequence of float
        Weight of each class.

    Raises
    ------
    UsageError
        When `given` is neither None, "balanced" nor a dict of known classes.
    """
    if given is None:
        return ()
    if isinstance(given, str) and given == "balanced":
        whole = sum(totals)
        return tuple(whole / (len(classes) * total) if total > 0.0 else 0.0 for total in totals)
    if isinstance(given, dict):
        unknown = [label for label in given if label not in classes]
        if unknown:
            raise UsageError(
                f"class_weight names {unknown[0]!r}, which is not among the classes {list(classes)}"
            )
        return tuple(float(given.get(label, 1.0)) for label in classes)
    raise UsageError(f"class_weight must be None, 'balanced' or a dict, not {given!r}")


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
