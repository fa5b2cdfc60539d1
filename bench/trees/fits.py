"""Whole fits: from Parquet to a model by either engine, and held-out losses over seeds."""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np

from bench.data import prepared
from scalable.boosting.train import train
from scalable.data.parquet import ParquetSource

TARGETS = {"physics": ("signal", True), "fraud": ("is_fraud", True), "regression": ("target", False)}
ENGINES = ("native", "lightgbm")


def parquet(n_rows: int, trees: int, num_leaves: int, n_threads: int) -> dict[str, Any]:
    """Return seconds from Parquet to model of both engines, medians of three in turns."""
    import data_gen

    name, target = "physics", TARGETS["physics"][0]
    place = prepared(name, n_rows)
    features = [c.name for c in data_gen.datasets()[name].columns if c.name != target]
    seconds: dict[str, list[float]] = {engine: [] for engine in ENGINES}
    for _ in range(3):
        for engine in ENGINES:
            source = ParquetSource(str(place), target, features)
            params = {
                "num_iterations": trees,
                "num_leaves": num_leaves,
                "num_threads": n_threads,
                "engine": engine,
            }
            began = time.perf_counter()
            train(params, source, classify=True)
            seconds[engine].append(time.perf_counter() - began)
    medians = {engine: statistics.median(values) for engine, values in seconds.items()}
    job = {"rows": n_rows, "trees": trees, "num_leaves": num_leaves, "threads": n_threads}
    return {**job, "seconds": medians, "ratio": medians["lightgbm"] / medians["native"]}


def quality(name: str, n_rows: int, trees: int, seeds: int, n_threads: int) -> dict[str, Any]:
    """Return held-out losses (log loss or RMSE) of both engines with the same parameters, seed by seed."""
    import data_gen

    target, classify = TARGETS[name]
    losses: dict[str, list[float]] = {engine: [] for engine in ENGINES}
    for seed in range(seeds):
        columns = [c.name for c in data_gen.datasets()[name].columns]
        features = [column for column in columns if column != target]
        rows = ParquetSource(str(prepared(name, n_rows, seed=seed)), target, features)
        learned, held = rows.split(every=5)
        for engine in ENGINES:
            params = {
                "num_iterations": trees,
                "num_leaves": 63,
                "seed": seed,
                "engine": engine,
                "num_threads": n_threads,
            }
            fitted = train(params, learned, classify=classify)
            losses[engine].append(_loss(fitted, held, classify=classify))
    relative = np.array(losses["native"]) / np.array(losses["lightgbm"]) - 1
    return {
        "dataset": name,
        "rows": n_rows,
        "trees": trees,
        "losses": losses,
        "relative_mean": float(relative.mean()),
        "relative_standard_error": float(relative.std(ddof=1) / np.sqrt(seeds)) if seeds > 1 else 0.0,
    }


def _loss(fitted: Any, held: Any, *, classify: bool) -> float:
    total, n = 0.0, 0
    for shard in held.shards:
        for block in held.raw_blocks(shard):
            rows = fitted.encoder.encode(block)
            p = fitted.booster.predict(rows.matrix)
            if classify:
                total -= float(np.sum(rows.label * np.log(p) + (1 - rows.label) * np.log1p(-p)))
            else:
                total += float(np.sum((rows.label - p) ** 2))
            n += len(rows.label)
    return total / n if classify else float(np.sqrt(total / n))
