"""The trees of the quickstart by either engine in turns: the stage as a user sees it, and its parts."""

from __future__ import annotations

import statistics
import time
from typing import Any

from bench.data import prepared
from scalable.cli.bench.journey import DATASET, HELD_OUT, TARGET, trees_of
from scalable.data.parquet import ParquetSource

ENGINES = ("native", "lightgbm")
ROUNDS = 3


def stage(n_rows: int) -> dict[str, Any]:
    """Return seconds of the stage and of its parts, medians of three in turns on one cluster of two workers.

    Parameters
    ----------
    n_rows : int
        Of the quickstart; four in five are learned from.
    """
    from scalable.boosting import LGBMClassifier
    from scalable.execution.local import local_cluster

    source = ParquetSource(str(prepared(DATASET, n_rows)), target=TARGET)
    train, _ = source.split(every=HELD_OUT)
    found: dict[str, list[dict[str, float]]] = {engine: [] for engine in ENGINES}
    with local_cluster(2) as client:
        for _ in range(ROUNDS):
            for engine in ENGINES:
                began = time.perf_counter()
                on = {"client": client, "n_workers": 2}
                model = LGBMClassifier(**trees_of(engine), engine=engine, random_state=0, **on).fit(train)
                seconds, workers = time.perf_counter() - began, model.stats_["workers"]
                parts = {
                    "survey": model.stats_["prepare_seconds"],
                    "fill": max(worker["fill_seconds"] for worker in workers),
                    "trees": max(worker["train_seconds"] for worker in workers),
                    "exchange": min(worker["exchange_seconds"] for worker in workers),
                }
                rest = seconds - parts["survey"] - parts["fill"] - parts["trees"]
                found[engine].append({"stage": seconds, **parts, "processes": rest})
    runs = {
        engine: {name: statistics.median(run[name] for run in runs) for name in runs[0]}
        for engine, runs in found.items()
    }
    share = statistics.median(
        a["stage"] / b["stage"] for a, b in zip(found["native"], found["lightgbm"], strict=True)
    )
    return {"rows": train.n_rows, "rounds": ROUNDS, "engines": runs, "share_of_lightgbm": share}
