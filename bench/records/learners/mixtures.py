"""A step of EM of eight full components in 28 columns, beside scikit-learn's: the difference of two fits' times.

Far apart, nearly every row is of one component alone, and the sums of the others leave it out; close together, rows
belong to several.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import mixture

from bench.records.learners.side_by_side import in_turns
from scalable.mixture import GaussianMixture

COMPONENTS, COLUMNS = 8, 28
MORE = 4  # steps of the longer fit beyond those of the shorter
SPREADS = {"far": 2.0, "close": 0.3}  # of the centers, in deviations of the rows


def measure(rows: int) -> dict[str, Any]:
    """Return a row a spread of the centers: the time of a step of both, and how far the means are apart afterwards."""
    found = {name: beside(rows, spread) for name, spread in SPREADS.items()}
    least = min(
        (each["times_as_fast"] for each in found.values()), key=lambda each: float(each["wall_ns_per_row"])
    )
    return {"rows": rows, "components": COMPONENTS, "columns": COLUMNS, **found, "times_as_fast": least}


def beside(rows: int, spread: float) -> dict[str, Any]:
    """Return the time of a step of both from the same start."""
    random = np.random.default_rng(0)
    centers = spread * random.normal(size=(COMPONENTS, COLUMNS))
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
        "a_step": step,
        "times_as_fast": {key: step["scikit-learn"][key] / step["scalable"][key] for key in step["scalable"]},
        "means_apart": float(np.abs(models["scalable"].means_ - models["scikit-learn"].means_).max()),
    }
