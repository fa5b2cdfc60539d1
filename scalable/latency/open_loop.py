"""Latency under load: Poisson arrivals that do not wait for the server, with and without a micro-batcher.

A closed loop asks the next question only when the last is answered, so a slow answer hides the questions that would
have queued behind it (coordinated omission). Here every request has an intended start drawn beforehand, and its latency
counts from there, whenever the server gets to it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from scalable import progress
from scalable.latency import engines as registry
from scalable.latency.engines import Engine
from scalable.latency.timing import CALLS_OF, quantiles_us

MODES = ("one at a time", "micro-batches")
GOAL_US = 1000.0
MAX_BATCH = 4096


def poisson_arrivals(rate: float, n: int, seed: int) -> np.ndarray:
    """Return `n` arrival times in ns from 0, exponential gaps of mean ``1 / rate`` seconds."""
    gaps = np.random.default_rng(seed).exponential(1e9 / rate, n)
    return np.cumsum(gaps).astype(np.int64)


def serve_one_at_a_time(engine: Engine, rows: Sequence[np.ndarray], arrivals: np.ndarray) -> np.ndarray:
    """Answer requests in order, one call each; return latencies in ns from the intended starts."""
    clock, predict = time.perf_counter_ns, engine.predict_one
    done = np.empty(len(rows), np.int64)
    due = arrivals.tolist()
    begin = clock()
    for i, row in enumerate(rows):
        while clock() - begin < due[i]:
            pass
        predict(row)
        done[i] = clock() - begin
    latencies: np.ndarray = done - arrivals
    return latencies


def serve_micro_batches(engine: Engine, X: np.ndarray, arrivals: np.ndarray) -> np.ndarray:
    """Answer all requests that have arrived in one call; a lone one as one row. Nobody waits for company.

    The batch adapts by itself: the longer a call takes, the more requests the next one serves.
    """
    clock = time.perf_counter_ns
    done = np.empty(len(X), np.int64)
    rows = list(X)
    at, n = 0, len(X)
    begin = clock()
    while at < n:
        now = clock() - begin
        stop = int(np.searchsorted(arrivals, now, "right"))
        stop = min(stop, at + MAX_BATCH)
        if stop <= at:
            continue
        if stop == at + 1:
            engine.predict_one(rows[at])
        else:
            engine.predict(X[at:stop])
        done[at:stop] = clock() - begin
        at = stop
    latencies: np.ndarray = done - arrivals
    return latencies


def _serve(engine: Engine, mode: str, X: np.ndarray, rate: float, seed: int) -> np.ndarray:
    arrivals = poisson_arrivals(rate, len(X), seed)
    if mode == MODES[0]:
        return serve_one_at_a_time(engine, list(X), arrivals)
    return serve_micro_batches(engine, X, arrivals)


def capacity(engine: Engine, X: np.ndarray) -> float:
    """Return the rows per second of a closed loop of single rows."""
    start = time.perf_counter()
    for row in X:
        engine.predict_one(row)
    return len(X) / (time.perf_counter() - start)


def highest_rate(
    engine: Engine, mode: str, X: np.ndarray, most: float, seed: int, steps: int = 6
) -> float | None:
    """Return the highest arrival rate found that keeps p99 under `GOAL_US`, None when 1% of `most` does not.

    None too of so few rows that they do not tell p99.
    Doubles upwards from there, then bisects in the logarithm. On a busy machine interruptions alone can break the goal.
    """

    def holds(rate: float) -> bool:
        requests = X[: max(CALLS_OF["p99"], int(rate))]  # a second's worth
        times = _serve(engine, mode, requests, rate, seed)
        return bool(np.quantile(times, 0.99, method="higher") < 1e3 * GOAL_US)

    if len(X) < CALLS_OF["p99"]:
        return None
    low, high = most / 8, most / 4
    if not holds(low):
        low, high = most / 100, most / 8
        if not holds(low):
            return None
    else:
        while high < 64 * most and holds(high):
            low, high = high, 2 * high
    for _ in range(steps):
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def measure_open_loop(
    model: Any,
    X: np.ndarray,
    engines: Sequence[str] = ("lightgbm", "scalable"),
    fractions: Sequence[float] = (0.3, 0.5, 0.7, 0.9),
    requests: int = 4000,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Measure engines under Poisson arrivals, on one thread.

    Parameters
    ----------
    model : as for ``compile_model``
    X : float64 (n_rows, n_features)
        Requests are the first rows after a shuffle.
    engines : names
    fractions : sequence of float
        Arrival rates as fractions of the engine's own closed-loop capacity for single rows.
    requests : int
        Per run.
    seed : int

    Returns
    -------
    list of dict, ready for JSON
        engine, mode, fraction, rate (requests/s), p50_us ... max_us from the intended start; and once per engine
        and mode ``highest_rate``: the highest rate found with p99 under 1 ms, or None.
    """
    facts = registry.facts_of(model)
    order = np.random.default_rng(seed).permutation(len(X))[:requests]
    rows = np.ascontiguousarray(np.asarray(X, np.float64)[order])
    results: list[dict[str, Any]] = []
    for name in engines:
        try:
            engine = registry.build(name, facts)
        except registry.Absent as reason:
            results.append({"engine": name, "status": "absent", "message": str(reason)})
            continue
        engine.predict(rows[:100])
        engine.predict(rows[: min(1000, len(rows))])
        most = capacity(engine, rows)
        with progress.task(f"open loop, {name}", total=len(MODES) * len(fractions), unit="runs") as shown:
            for mode in MODES:
                best = highest_rate(engine, mode, rows, most, seed)
                for fraction in fractions:
                    ns = _serve(engine, mode, rows, fraction * most, seed)
                    results.append(
                        {"engine": name, "mode": mode, "fraction": fraction, "rate": fraction * most,
                         "capacity": most, "highest_rate": best, **quantiles_us(ns)}
                    )  # fmt: skip
                    shown.advance(1)
    return results
