"""Which numbers a parameter may hold, by its name: one meaning and one wording for all learners."""

from __future__ import annotations

import math
from typing import Any

from scalable.errors import UsageError, not_negative, whole_number

_COUNTS = {
    "cv": 2,
    **dict.fromkeys(
        ("batch_size", "embedding_dim", "max_iter", "n_alphas", "n_clusters", "n_components", "n_init", "n_iter",
         "n_iter_no_change", "n_replicas", "n_workers"), 1
    ),
    **dict.fromkeys(("frequencies", "n_oversamples", "one_hot", "pieces"), 0),
}  # fmt: skip
_NOT_NEGATIVE = {
    "alpha",
    "alpha_1",
    "alpha_2",
    "epsilon",
    "lambda_1",
    "lambda_2",
    "reg_covar",
    "tol",
    "var_smoothing",
}
_POSITIVE = {"alpha_init", "eps", "frequency_scale", "lambda_init", "learning_rate", "learning_rate_init"}
_SHARES = {
    "l1_ratio": "[0, 1]",
    **dict.fromkeys(("quantile", "validation_fraction"), "(0, 1)"),
    **dict.fromkeys(("beta_1", "beta_2", "dropout", "momentum", "warmup"), "[0, 1)"),
}
_MOST = 2**63 - 1  # of a whole number: kernels take it


def check_range(name: str, value: Any) -> None:
    """Refuse a number, of the kind that is declared, that a parameter of this name cannot mean anything by.

    Raises
    ------
    UsageError
        Names the parameter, what is right, and the value.
    """
    if isinstance(value, int) and abs(value) > _MOST:
        raise UsageError(f"{name} must be below 2**63, not a number of {value.bit_length()} bits")
    if name in _COUNTS:
        whole_number(name, value, _COUNTS[name])
    elif name in _NOT_NEGATIVE:
        not_negative(name, value)
    elif name in _POSITIVE and not 0.0 < value < math.inf:
        raise UsageError(f"{name} must be positive and finite, not {value!r}")
    elif share := _SHARES.get(name):
        least = value >= 0.0 if share[0] == "[" else value > 0.0
        if not (least and (value <= 1.0 if share[-1] == "]" else value < 1.0)):
            raise UsageError(f"{name} must lie in {share}, not {value!r}")
