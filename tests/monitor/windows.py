"""Rows for the tests of monitoring: a logistic world whose best model is known."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

DAY_MS = 86_400_000


def rows(
    n, seed=0, *, shift=0.0, slope=1.0, day=0, days=1, missing=0.05, cities=("Bern", "Lima", "Oslo"), spread=0
):
    """Return a table: numbers, text, nulls, a time, a key, and a label drawn from a logistic model."""
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=n) + shift, rng.normal(size=n)
    city = rng.choice(cities, n)
    odds = slope * (1.2 * x - 0.8 * z) + 0.7 * (city == "Lima") - 1
    gap = np.where(rng.random(n) < missing, np.nan, z + rng.normal(size=n))
    time = np.sort(rng.integers(day * DAY_MS, (day + days) * DAY_MS, n))
    if spread:
        time = rng.permutation(time)
    return pa.table(
        {
            "x": x,
            "z": z.astype(np.float32),
            "count": rng.poisson(3, n),
            "flag": rng.random(n) < 0.3,
            "city": city,
            "gap": pa.array(gap, from_pandas=True),
            "time": pa.array(time, pa.timestamp("ms")),
            "key": np.arange(n) + seed * 10**7,
            "label": np.where(rng.random(n) < 1 / (1 + np.exp(-odds)), "yes", "no"),
        }
    )


FEATURES = ["x", "z", "count", "flag", "city", "gap"]
