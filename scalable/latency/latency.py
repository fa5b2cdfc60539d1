"""The laboratory: engines side by side on rows that are never repeated, interleaved, in one run.

Repeating one row trains the branch predictor on it and flatters branchy engines two- to threefold, so each engine
sees each row once per part of the run, and engines take turns so that drift of the machine meets all alike.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import psutil

from scalable import progress
from scalable.latency import engines as registry
from scalable.latency.engines import Absent, Engine
from scalable.latency.timing import Stopwatch, clock_overhead, summary

TURN = 200  # single rows an engine takes before the next engine's turn
SMALL = 20_000  # rows in all that are spent on each size of small batches, so that quantiles come from enough calls
PATIENCE = 30.0  # seconds one call of an engine may be expected to take; larger batches are left out
LONG = 10.0  # seconds after which a size of batches gets no more than the rounds asked for: threads may wait for others
WORTH_SAYING = 5.0  # seconds of measuring from which on they are foretold

Contender = tuple[str, int]  # engine, threads
Timings = dict[Contender, dict[str, Any]]


def _told(names: Sequence[str]) -> Iterator[str]:
    """Yield names of engines to load; some are made by a C compiler, in many seconds."""
    with progress.task("load engines", total=len(names), unit="engines") as shown:
        for name in names:
            yield name
            shown.advance(1)


def _load(
    names: Sequence[str], model: Any, X: np.ndarray
) -> tuple[dict[str, Engine], dict[str, Any], dict[str, float]]:
    """Build the engines that can be, with the seconds a row of each; say why the others cannot."""
    loaded: dict[str, Engine] = {}
    results: dict[str, Any] = {}
    pace: dict[str, float] = {}
    process = psutil.Process()
    for name in _told(names):
        before, start = process.memory_info().rss, time.perf_counter()
        try:
            engine = registry.build(name, model)
            ready = time.perf_counter()
            engine.predict(X[:2])
            engine.predict_one(X[0])
        except Absent as reason:
            results[name] = {"status": "absent", "message": str(reason)}
            continue
        done = time.perf_counter()
        engine.predict(X[:1000])
        grown = max(0, process.memory_info().rss - before)
        again = time.perf_counter()
        engine.predict(X[:1000])
        pace[name] = (time.perf_counter() - again) / len(X[:1000])
        results[name] = {
            "present": True,
            "load_seconds": ready - start,
            "first_prediction_seconds": done - start,
            "memory_bytes": getattr(engine, "memory_bytes", grown),
        }
        loaded[name] = engine
    return loaded, results, pace


def _rounds(size: int, repeats: int, rows: int) -> int:
    return max(1, min(max(repeats, SMALL // size), rows // size))


def _foretell(pace: dict[str, float], sizes: Sequence[int], repeats: int, threads: int, rows: int) -> None:
    """Say how long batches will take, where that is long."""
    passed = sum(_rounds(size, repeats, rows) * size for size in sizes) * threads
    seconds = passed * sum(pace.values())
    if seconds > WORTH_SAYING:
        progress.say(
            f"{len(pace)} engines, {passed:,} rows each in batches: about {seconds:,.0f} s; fewer rows take less"
        )


def _single(loaded: dict[str, Engine], rows: list[np.ndarray]) -> Timings:
    """Time one row at a time, in turns; the first turn warms up on rows of its own and is not counted."""
    times = {name: np.empty(max(0, len(rows) - TURN), np.int64) for name in loaded}
    watches = {name: Stopwatch(engine) for name, engine in loaded.items()}
    warm = np.empty(TURN, np.int64)
    with progress.task("latency, one row", total=len(rows) * len(loaded), unit="rows") as shown:
        for start in range(0, len(rows), TURN):
            part = rows[start : start + TURN]
            for name, watch in watches.items():
                out = warm if start == 0 else times[name][start - TURN : start - TURN + len(part)]
                watch.rows(part, out)
                shown.advance(len(part))
    return {(name, 1): summary(times[name], 1) | watches[name].notes() for name in loaded}


def _batches(
    engines: dict[str, Engine], X: np.ndarray, size: int, repeats: int, threads: Sequence[int],
    pace: dict[str, float],
) -> Timings:  # fmt: skip
    """Time batches of `size` fresh rows, in turns; `pace` is the last known seconds a row of each engine."""
    rounds = _rounds(size, repeats, len(X))
    ready = [(name, n) for name in engines for n in threads if size * pace.get(name, 0.0) <= PATIENCE]
    taken: dict[Contender, list[int]] = {contender: [] for contender in ready}
    watches = {name: Stopwatch(engine) for name, engine in engines.items()}
    with progress.task(f"latency, {size:,} rows", total=rounds * len(ready), unit="batches") as shown:
        start = time.monotonic()
        for r in range(rounds):
            if r >= repeats and time.monotonic() - start > LONG:
                break
            batch = X[r * size : (r + 1) * size]
            for name, n in ready:
                if engines[name].n_threads != n:
                    engines[name].n_threads = n
                    engines[name].predict(X[:2])  # whatever a change of threads sets up is not timed
                taken[name, n].append(watches[name].batch(batch))
                shown.advance(1)
    for (name, n), ns in taken.items():
        if n == threads[0]:
            pace[name] = min(ns) / 1e9 / size
    return {
        (name, n): summary(np.array(ns), size) | watches[name].notes() for (name, n), ns in taken.items()
    } | {
        (name, threads[0]): {"message": f"would take over {PATIENCE:.0f} s a call", "status": "skipped"}
        for name in engines
        if (name, threads[0]) not in taken
    }


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
    batch_sizes: Sequence[int] = (1_000, 100_000), repeats: int = 5, threads: Sequence[int] = (1,), seed: int = 0,
    needed: str | None = None,
) -> dict[str, list[dict[str, Any]]]:  # fmt: skip
    """Measure engines on one model.

    Parameters
    ----------
    model : lightgbm.Booster, fitted learner, text, path, or CompiledLinear
        As for ``compile_model``.
    X : float64 (n_rows, n_features)
        Real rows; shuffled here, each used once per engine in each part.
    engines : names of ``scalable.latency.engines.ENGINES``, optional
        `DEFAULT` without, `LINEAR` for a linear model. Results are compared with those of LightGBM or scikit-learn,
        or else the first one's.
    single_rows : int
        Rows predicted one at a time, at most.
    batch_sizes : sequence of int
        Rows per call; capped by the rows there are. Engines too slow for a size are listed with the reason.
    repeats : int
        Batches per size, at most; of small ones, as many as `SMALL` rows fill or as `LONG` seconds have time for.
    threads : sequence of int
        Threads for batches, each a row of the result.
    seed : int
        Of the shuffle.
    needed : str, optional
        Name of an engine: where it is absent, the others are not measured either.

    Returns
    -------
    dict of batch size (as text) to rows of the report's ``latency`` section
        See ``scalable.report.sections.Latency``; an absent engine's row has ``status`` and ``message``, and is among
        the single rows only. Quantiles that too few calls tell are left out. Beyond that: ``spread`` (quartile
        distance over median), ``load_seconds``, ``first_prediction_seconds``,
        ``memory_bytes`` (by which loading and 1,000 rows grew the process), ``clock_overhead_us``, ``model``, and
        ``overhead_us`` where the way to a worker process was taken off.
    """
    facts = registry.facts_of(model)
    order = np.random.default_rng(seed).permutation(len(X))
    X = np.ascontiguousarray(np.asarray(X, np.float64)[order])
    loaded, results, pace = _load(engines or facts.default, facts, X)
    if not loaded or (needed is not None and needed not in loaded):
        return {"1": [{"engine": name, **row} for name, row in results.items()]}
    baseline = next((name for name in loaded if name in ("lightgbm", "scikit-learn")), next(iter(loaded)))
    for name, verdict in _bits(loaded, X[:20_000], baseline).items():
        results[name] |= verdict
    common = {"clock_overhead_us": clock_overhead() / 1e3, "model": facts.shape}
    sizes = sorted({min(size, len(X)) for size in batch_sizes} - {1})
    timings = {1: _single(loaded, list(X[: min(single_rows + TURN, len(X))]))}
    capable = {n: engine for n, engine in loaded.items() if not getattr(engine, "single_only", False)}
    _foretell({name: pace[name] for name in capable}, sizes, repeats, len(threads), len(X))
    pace = {}
    for size in sizes:
        timings[size] = _batches(capable, X, size, repeats, threads, pace)
    missing = {name: row for name, row in results.items() if name not in loaded}
    return {
        str(size): [
            {"engine": name if n in (1, threads[0]) else f"{name}, {n} threads", "batch": size, "threads": n,
             "baseline": name == baseline and n in (1, threads[0]), **results[name], **common, **figures}
            for (name, n), figures in taken.items()
        ] + [{"engine": name, "batch": size, "threads": 1, **row} for name, row in missing.items() if size == 1]
        for size, taken in timings.items()
    }  # fmt: skip


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
            shown.append({"title": title, "unit": "µs", "steps": steps})
    return shown
