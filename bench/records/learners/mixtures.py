"""A step of EM of eight full components in 28 columns, beside scikit-learn's: the difference of two fits' times."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import mixture

from bench.records.learners.side_by_side import in_turns
from scalable.mixture import GaussianMixture

COMPONENTS, COLUMNS = 8, 28
MORE = 4  # steps of the longer fit beyond those of the shorter


def measure(rows: int) -> dict[str, Any]:
    """Return the time of a step of both, from the same start, and how far the means are apart afterwards."""
    random = np.random.default_rng(0)
    centers = 2.0 * random.normal(size=(COMPONENTS, COLUMNS))
    X = centers[random.integers(0, COMPONENTS, rows)] + random.normal(size=(rows, COLUMNS))
    start = {
        "means_init": centers + 0.3,
        "weights_init": np.full(COMPONENTS, 1.0 / COMPONENTS),
        "precisions_init": np.tile(np.eye(COLUMNS), (COMPONENTS, 1, 1)),
        "tol": 0.0,
    }
    models: dict[str, Any] = {}

    def fit(kind: Any, name: str, steps: int) -> Any:
        def work() -> None:
            models[name] = kind(COMPONENTS, max_iter=steps, **start).fit(X)

        return work

    kinds = {"scalable": GaussianMixture, "scikit-learn": mixture.GaussianMixture}
    fits = {
        f"{name}, {steps} steps": fit(kind, name, steps)
        for name, kind in kinds.items()
        for steps in (1, 1 + MORE)
    }
    times = in_turns(fits, rows, 2)
    step = {
        name: {
            key: (times[f"{name}, {1 + MORE} steps"][key] - times[f"{name}, 1 steps"][key]) / MORE
            for key in times[f"{name}, 1 steps"]
        }
        for name in kinds
    }
    return {
        "rows": rows, "components": COMPONENTS, "columns": COLUMNS, "a_step": step,
        "times_as_fast": {key: step["scikit-learn"][key] / step["scalable"][key] for key in step["scalable"]},
        "means_apart": float(np.abs(models["scalable"].means_ - models["scikit-learn"].means_).max()),
    }  # fmt: skip
