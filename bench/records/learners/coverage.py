"""Coverage of conformal sets and intervals, in all and by group, against what chance allows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa

from scalable.data.table import TableSource
from scalable.evaluate import Conformal
from scalable.linear import LinearRegression, LogisticRegression

ALPHA, DRAWS = 0.1, 20


def rows_of(n: int, seed: int, *, classify: bool) -> TableSource:
    """Return rows whose noise depends on their group."""
    random = np.random.default_rng(seed)
    x, group = random.normal(size=(3, n)), random.integers(0, 4, n)
    y = x[0] - x[1] + (0.5 + group) * random.normal(size=n)
    table = {f"x{j}": column for j, column in enumerate(x)} | {"group": group}
    return TableSource(pa.table(table | {"y": (y > 0.0).astype(np.int64) if classify else y}), "y")


def measure(rows: int) -> dict[str, Any]:
    """Return a row a kind: rates of several draws, and how many standard deviations the worst group is away.

    A rate varies by the calibration rows and by those that are looked at: both are binomial.
    """
    found = []
    for classify in (True, False):
        learner = (LogisticRegression if classify else LinearRegression)()
        model = learner.fit(
            rows_of(min(rows, 50_000), 0, classify=classify).with_features(["x0", "x1", "x2"])
        )
        whole, worst = [], 0.0
        for draw in range(DRAWS):
            kept, looked_at = (rows_of(rows, 1 + 2 * draw + k, classify=classify) for k in (0, 1))
            conformal = Conformal.calibrate(model, kept, alpha=ALPHA, by="group")
            told = conformal.measure(model, looked_at, by="group")
            whole.append(
                sum(each.covered for each in told.values()) / sum(each.rows for each in told.values())
            )
            seen = {group: n for group, _, n in conformal.groups}
            for group, each in told.items():
                deviation = math.sqrt(ALPHA * (1.0 - ALPHA) * (1.0 / each.rows + 1.0 / seen[group]))
                worst = max(worst, abs(each.rate - (1.0 - ALPHA)) / deviation)
        found.append({
            "kind": "sets" if classify else "intervals", "rows": rows, "draws": DRAWS, "asked": 1.0 - ALPHA,
            "mean_rate": float(np.mean(whole)), "least_rate": min(whole), "worst_group_deviations": worst,
        })  # fmt: skip
    return {"kinds": found}
