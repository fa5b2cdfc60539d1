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
    for name in ("C", "learning_rate"):
        value = getattr(estimator, name, None)
        if value is not None and not (value > 0.0 and math.isfinite(1.0 / float(value))):
            raise UsageError(f"{name} must be positive, and no smaller than 1e-308, not {value!r}")
