"""What the parameters of the learners that follow gradients may be."""

from __future__ import annotations

import math
from typing import Any

from scalable.errors import UsageError
from scalable.kernels.linear import optimizers, penalties
from scalable.linear.solvers.choice import SOLVERS

_CHOICES = (
    ("penalty", (*penalties.PENALTIES, None)),
    ("solver", ("auto", *SOLVERS)),
    ("optimizer", tuple(optimizers.OPTIMIZERS)),
)


def check_parameters(estimator: Any) -> None:
    """Refuse values that mean nothing, or of which no finite coefficients could come.

    Raises
    ------
    UsageError
        Names the parameter and its value.
    """
    for name, allowed in _CHOICES:
        value = getattr(estimator, name, allowed[0])
        if value not in allowed:
            raise UsageError(f"{name} must be one of {', '.join(map(repr, allowed))}, not {value!r}")
    for name in ("C", "learning_rate", "batch_size", "max_iter", "n_replicas"):
        value = getattr(estimator, name, None)
        if isinstance(value, str):
            raise UsageError(f"{name} must be a number, not {value!r}")
        if value is not None and not (float(value) > 0.0 and math.isfinite(1.0 / float(value))):
            raise UsageError(f"{name} must be positive, and no smaller than 1e-308, not {value!r}")
    for name in ("alpha", "epsilon", "tol"):
        if (value := getattr(estimator, name, None)) is not None:
            check_strength(name, value)
    ratio = getattr(estimator, "l1_ratio", None)
    if ratio is not None and not 0.0 <= float(ratio) <= 1.0:
        raise UsageError(f"l1_ratio must lie in [0, 1], not {ratio!r}")
    if not 0.0 < float(getattr(estimator, "quantile", 0.5)) < 1.0:
        raise UsageError(f"quantile must lie in (0, 1), not {getattr(estimator, 'quantile', 0.5)!r}")


def check_strength(name: str, value: Any) -> float:
    """Return a strength as a number.

    Raises
    ------
    UsageError
        When it is negative, infinite or NaN.
    """
    if isinstance(value, str) or not 0.0 <= float(value) < math.inf:
        raise UsageError(f"{name} must be finite and not negative, not {value!r}")
    return float(value)
