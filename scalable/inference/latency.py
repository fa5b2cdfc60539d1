"""The laboratory: engines side by side on rows that are never repeated, interleaved, in one run.

Repeating one row trains the branch predictor on it and flatters branchy engines two- to threefold, so each engine
sees each row once per part of the run, and engines take turns so that drift of the machine meets all alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from scalable import progress
from scalable.inference import engines as registry
from scalable.inference.engines import Absent, Engine, ForestModel, text_of

TURN = 200  # single rows an engine takes before the next engine's turn
QUANTILES = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999))


def clock_overhead() -> int:
    """Return the median ns between two successive clock readings; every latency includes one of these."""
    ticks = np.empty(2001, np.int64)
    for i in range(len(ticks)):
        ticks[i] = time.perf_counter_ns()
    return int(np.median(np.diff(ticks)))


def quantiles_us(ns: np.ndarray) -> dict[str, float]:
    """Return p50 ... p99.9, extremes and mean of times, in microseconds."""
    us = np.sort(ns) / 1e3
    return {
        **{f"{name}_us": float(np.quantile(us, q, method="higher")) for name, q in QUANTILES},
        "min_us": float(us[0]),
        "max_us": float(us[-1]),
        "mean_us": float(us.mean()),
    }


def summary(ns: np.ndarray, batch: int) -> dict[str, Any]:
    """Return the statistics of call times of `batch` rows each, in the shape of ``sections.Latency``."""
    if not len(ns):
        return {"calls": 0}
    grid = np.r_[np.linspace(0, 0.98, 99), 1 - np.geomspace(0.02, max(1 / len(ns), 1e-5), 60)]
    figures = quantiles_us(ns)
    return {
        **figures,
        "rows_per_second": batch * 1e6 / figures["p50_us"],
        "calls": len(ns),
        "quantiles_us": [[float(q), float(np.quantile(ns, q)) / 1e3] for q in grid],
    }


def time_each(call: Callable[[np.ndarray], Any], rows: Sequence[np.ndarray], out: np.ndarray) -> None:
    """Store the ns that `call` takes on each row."""
    clock = time.perf_counter_ns
    for i, row in enumerate(rows):
        start = clock()
        call(row)
        out[i] = clock() - start


def _load(
    names: Sequence[str], model: ForestModel, n_threads: int
) -> tuple[dict[str, Engine], dict[str, Any]]:
    """Build the engines that can be; say why the others cannot."""
    loaded: dict[str, Engine] = {}
    results: dict[str, Any] = {}
    probe = np.zeros((2, model.n_features))
    for name in names:
        start = time.perf_counter()
        try:
            engine = registry.build(name, model, n_threads)
            ready = time.perf_counter()
            engine.predict(probe)
            engine.predict_one(probe[0])
        except Absent as reason:
            results[name] = {"status": "absent", "message": str(reason)}
            continue
        done = time.perf_counter()
        results[name] = {
            "present": True,
            "load_seconds": ready - start,
            "first_prediction_seconds": done - start,
        }
        loaded[name] = engine
    return loaded, results


def _single(loaded: dict[str, Engine], rows: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Time one row at a time, in turns; the first turn warms up on rows of its own and is not counted."""
    times = {name: np.empty(max(0, len(rows) - TURN), np.int64) for name in loaded}
    warm = np.empty(TURN, np.int64)
    with progress.task("latency, one row", total=len(rows) * len(loaded), unit="rows") as shown:
        for start in range(0, len(rows), TURN):
            part = rows[start : start + TURN]
            for name, engine in loaded.items():
                out = warm if start == 0 else times[name][start - TURN : start - TURN + len(part)]
                time_each(engine.predict_one, part, out)
                shown.advance(len(part))
    return times


def _batches(engines: dict[str, Engine], X: np.ndarray, size: int, repeats: int) -> dict[str, np.ndarray]:
    """Time batches of `size` fresh rows, in turns, in ns a call."""
    rounds = max(1, min(repeats, len(X) // size))
    taken = {name: np.empty(rounds, np.int64) for name in engines}
    with progress.task(f"latency, {size:,} rows", total=rounds * len(engines), unit="batches") as shown:
        for r in range(rounds):
            batch = X[r * size : (r + 1) * size]
            for name, engine in engines.items():
                start = time.perf_counter_ns()
                engine.predict(batch)
                taken[name][r] = time.perf_counter_ns() - start
                shown.advance(1)
    return taken


def _bits(loaded: dict[str, Engine], X: np.ndarray, reference: str) -> dict[str, dict[str, Any]]:
    """Compare batch and single-row results with the reference engine's, bit for bit."""
    few = X[:200]
    expected = loaded[reference].predict(X)
    verdicts = {}
    for name, engine in loaded.items():
        got = few[:0] if getattr(engine, "single_only", False) else engine.predict(X)
        one = np.array([engine.predict_one(x) for x in few]).reshape(expected[: len(few)].shape)
        worst = float(np.abs(one - expected[: len(few)]).max(initial=0.0))
        wrong = int((one != expected[: len(few)]).sum())
        if len(got):
            wrong += int((got != expected).sum())
            worst = max(worst, float(np.abs(got - expected).max(initial=0.0)))
        verdicts[name] = {"bit_equal": wrong == 0, "mismatches": wrong, "max_abs_difference": worst}
    return verdicts


def measure(
    model: Any, X: np.ndarray, engines: Sequence[str] | None = None, *, single_rows: int = 2000,
    batch_sizes: Sequence[int] = (1_000, 100_000), repeats: int = 5, n_threads: int = 1, seed: int = 0,
) -> dict[str, list[dict[str, Any]]]:  # fmt: skip
    """Measure engines on one model.

    Parameters
    ----------
    model : lightgbm.Booster, fitted learner, text, or path
        As for ``compile_model``.
    X : float64 (n_rows, n_features)
        Real rows; shuffled here, each used once per engine in each part.
    engines : names of ``scalable.inference.engines.ENGINES``, optional
        `DEFAULT` without. Results are compared with LightGBM's, or else the first one's.
    single_rows : int
        Rows predicted one at a time, at most.
    batch_sizes : sequence of int
        Rows per call; capped by the rows there are.
    repeats : int
        Batches per size, at most.
    n_threads : int
        For batches.
    seed : int
        Of the shuffle.

    Returns
    -------
    dict of batch size (as text) to rows of the report's ``latency`` section
        See ``scalable.report.sections.Latency``; an absent engine's row has ``status`` and ``message``. Beyond
        that: ``load_seconds``, ``first_prediction_seconds``, ``clock_overhead_us``, ``model``.
    """
    facts = registry.describe(text_of(model))
    order = np.random.default_rng(seed).permutation(len(X))
    X = np.ascontiguousarray(np.asarray(X, np.float64)[order])
    loaded, results = _load(engines or registry.DEFAULT, facts, n_threads)
    if not loaded:
        return {"1": list(results.values())}
    baseline = "lightgbm" if "lightgbm" in loaded else next(iter(loaded))
    for name, verdict in _bits(loaded, X[:20_000], baseline).items():
        results[name] |= verdict | {"baseline": name == baseline}
    clock = clock_overhead() / 1e3
    shape = {"trees": facts.n_trees, "leaves": facts.n_leaves, "features": facts.n_features}
    sizes = sorted({min(size, len(X)) for size in batch_sizes} - {1})
    timings = {1: _single(loaded, list(X[: min(single_rows + TURN, len(X))]))}
    timings |= {size: _batches(_batch_capable(loaded), X, size, repeats) for size in sizes}
    return {
        str(size): [
            {"engine": name, "batch": size, "threads": 1 if size == 1 else n_threads, **results[name]}
            | (
                summary(taken[name], size) | {"clock_overhead_us": clock, "model": shape}
                if name in taken
                else {}
            )
            for name in results
            if name in taken or name not in loaded
        ]
        for size, taken in timings.items()
    }


def waterfall(latency: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return the report's ``waterfall`` section: what each optimisation brought, per batch size.

    The fastest call counts: steps are compared with each other, and other work on the machine only adds.

    Parameters
    ----------
    latency : dict
        What `measure` returned for the engines of ``registry.STEPS``.
    """
    shown = []
    for batch, rows in latency.items():
        by_name = {row["engine"]: row for row in rows if row.get("p50_us")}
        steps = [
            {"name": title, "value": by_name[name]["min_us"] / int(batch), "note": name}
            for name, title in registry.STEPS.items()
            if name in by_name
        ]
        if int(batch) > 1 and len(steps) > 1:
            title = f"Microseconds a row, {int(batch):,} rows a call"
            shown.append({"title": title, "unit": "us/row", "steps": steps})
    return shown


def _batch_capable(loaded: dict[str, Engine]) -> dict[str, Engine]:
    """Leave out engines that only know single rows."""
    return {name: engine for name, engine in loaded.items() if not getattr(engine, "single_only", False)}
