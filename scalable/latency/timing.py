"""Times of calls: taken with one pair of clock readings each, kept in arrays made beforehand, reported as quantiles."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

# Name, quantile, and the calls that it takes: with fewer, the slowest ones are all that is known.
QUANTILES = (("p50", 0.5, 1), ("p90", 0.9, 20), ("p99", 0.99, 200), ("p999", 0.999, 2000))
CALLS_OF = {name: calls for name, _, calls in QUANTILES}

FEWEST = 20  # calls below which a distribution would be drawn out of thin air


def clock_overhead() -> int:
    """Return the median ns between two successive clock readings; every latency includes one of these."""
    ticks = np.empty(2001, np.int64)
    for i in range(len(ticks)):
        ticks[i] = time.perf_counter_ns()
    return int(np.median(np.diff(ticks)))


def quantiles_us(ns: np.ndarray) -> dict[str, float]:
    """Return the quantiles that so many times tell, extremes and mean, in microseconds, and how many they are."""
    us = np.sort(ns) / 1e3
    told = [(name, q) for name, q, calls in QUANTILES if len(us) >= calls]
    return {
        **{f"{name}_us": float(np.quantile(us, q, method="higher")) for name, q in told},
        "calls": len(us),
        "min_us": float(us[0]),
        "max_us": float(us[-1]),
        "mean_us": float(us.mean()),
    }


def summary(ns: np.ndarray, batch: int) -> dict[str, Any]:
    """Return the statistics of call times of `batch` rows each, in the shape of ``sections.Latency``.

    ``spread`` is the distance of the quartiles as a fraction of the median.
    """
    if not len(ns):
        return {"calls": 0}
    grid = np.r_[np.linspace(0, 0.98, 99), 1 - np.geomspace(0.02, max(1 / len(ns), 1e-5), 60)]
    figures = quantiles_us(ns)
    low, high = np.quantile(ns, (0.25, 0.75))
    return {
        **figures,
        "spread": float(high - low) / 1e3 / figures["p50_us"],
        "rows_per_second": batch * 1e6 / figures["p50_us"],
    } | (
        {"quantiles_us": [[float(q), float(np.quantile(ns, q)) / 1e3] for q in grid]}
        if len(ns) >= FEWEST
        else {}
    )


class Stopwatch:
    """Times an engine's calls; the overhead that an engine reports of reaching its worker is taken off and kept."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._remote = hasattr(engine, "overhead_seconds")
        self.overhead_ns: list[int] = []

    def rows(self, rows: Sequence[np.ndarray], out: np.ndarray) -> None:
        """Store the ns that predicting each row takes."""
        clock, predict, remote = time.perf_counter_ns, self._engine.predict_one, self._remote
        for i, row in enumerate(rows):
            start = clock()
            predict(row)
            out[i] = clock() - start
            if remote:
                out[i] -= self._pipe()

    def batch(self, X: np.ndarray) -> int:
        """Return the ns that predicting a batch takes."""
        start = time.perf_counter_ns()
        self._engine.predict(X)
        taken = time.perf_counter_ns() - start
        return taken - self._pipe() if self._remote else taken

    def _pipe(self) -> int:
        self.overhead_ns.append(int(self._engine.overhead_seconds * 1e9))
        return self.overhead_ns[-1]

    def notes(self) -> dict[str, float]:
        """Return what a result's row says of the overhead taken off."""
        return {"overhead_us": float(np.median(self.overhead_ns)) / 1e3} if self.overhead_ns else {}
