"""Held-out losses over seeds: of either engine, and of leaves that are split together.

Held out are all rows of the next seed, another sample of the same population: of few positives a fifth of the rows
holds so few that the mean of forty seeds is known to .05 % only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bench.data import prepared
from scalable.boosting.estimates import rounds_of
from scalable.boosting.train import train
from scalable.data.parquet import ParquetSource
from scalable.inference.forest.compiled import CompiledForest
from scalable.inference.forest.formats.lightgbm_trees import forest_of_text

TARGETS = {"physics": ("signal", True), "fraud": ("is_fraud", True), "regression": ("target", False)}
ENGINES = ("native", "lightgbm")
LEAVES_PER_ROUND = (1, 4, 16, 64)


def quality(name: str, n_rows: int, trees: int, seeds: int, n_threads: int) -> dict[str, Any]:
    """Return held-out losses (log loss or RMSE) of both engines with the same parameters, seed by seed."""
    params = {"num_iterations": trees, "num_leaves": 63, "num_threads": n_threads}
    losses = _losses(name, n_rows, seeds, {engine: {**params, "engine": engine} for engine in ENGINES})
    return {
        "dataset": name,
        "rows": n_rows,
        "trees": trees,
        "losses": losses,
        **_relative(losses["native"], losses["lightgbm"]),
    }


def together(
    name: str, n_rows: int, trees: int, num_leaves: int, seeds: int, n_threads: int
) -> list[dict[str, Any]]:
    """Return, for every number of leaves that are split together, held-out losses beside those of one at a time."""
    params = {"num_iterations": trees, "num_leaves": num_leaves, "num_threads": n_threads, "engine": "native"}
    each = {str(k): {**params, "leaves_per_round": k} for k in LEAVES_PER_ROUND}
    losses = _losses(name, n_rows, seeds, each)
    return [
        {
            "dataset": name,
            "rows": n_rows,
            "trees": trees,
            "num_leaves": num_leaves,
            "leaves_per_round": k,
            "rounds": len(rounds_of(num_leaves, k)),
            "losses": losses[str(k)],
            **_relative(losses[str(k)], losses["1"]),
        }
        for k in LEAVES_PER_ROUND
    ]


def _losses(
    name: str, n_rows: int, seeds: int, contenders: Mapping[str, Mapping[str, Any]]
) -> dict[str, list[float]]:
    """Return every contender's held-out losses, seed by seed of the data and of the model."""
    import data_gen

    target, classify = TARGETS[name]
    losses: dict[str, list[float]] = {contender: [] for contender in contenders}
    features = [c.name for c in data_gen.datasets()[name].columns if c.name != target]
    for seed in range(seeds):
        learned, held = (
            ParquetSource(str(prepared(name, n_rows, seed=each)), target, features)
            for each in (seed, seed + 1)
        )
        for contender, params in contenders.items():
            fitted = train({**params, "seed": seed}, learned, classify=classify)
            losses[contender].append(_loss(fitted, held, classify=classify))
    return losses


def _relative(losses: list[float], others: list[float]) -> dict[str, float]:
    relative, n = np.array(losses) / np.array(others) - 1, len(losses)
    error = float(relative.std(ddof=1) / np.sqrt(n)) if n > 1 else 0.0
    return {"relative_mean": float(relative.mean()), "relative_standard_error": error}


def _loss(fitted: Any, held: Any, *, classify: bool) -> float:
    total, n = 0.0, 0
    forest = CompiledForest(
        forest_of_text(fitted.booster.model_to_string())
    )  # LightGBM's predictions, bit for bit
    for shard in held.shards:
        for block in held.raw_blocks(shard):
            rows = fitted.encoder.encode(block)
            p = forest.predict(rows.matrix)
            if classify:
                total -= float(np.sum(rows.label * np.log(p) + (1 - rows.label) * np.log1p(-p)))
            else:
                total += float(np.sum((rows.label - p) ** 2))
            n += len(rows.label)
    return total / n if classify else float(np.sqrt(total / n))
