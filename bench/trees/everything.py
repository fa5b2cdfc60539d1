"""All rows in every tree: from Parquet to model in memory or from disk, beside rotation with the same trees."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from bench.data import prepared
from bench.trees.fits import TARGETS
from scalable.boosting.train import Trained, train
from scalable.boosting.training.ranks import auc
from scalable.boosting.workers import placement
from scalable.data.parquet import ParquetSource
from scalable.inference import compile_model

MOST_HELD = 5_000_000  # rows that are scored, of those held out


def everything(
    name: str,
    n_rows: int,
    trees: int,
    num_leaves: int,
    max_depth: int,
    n_threads: int,
    kinds: list[str],
    room: float,
    kept: str | None,
    given: str | None = None,
) -> dict[str, Any]:
    """Return seconds, peak memory and held-out AUC of every kind of boosting ("full", "rotate").

    Parameters
    ----------
    name : str
        Of `TARGETS`: a dataset of two classes.
    n_rows, trees, num_leaves, max_depth, n_threads : int
        Of the job.
    kinds : list of str
        What is compared.
    room : float
        GiB that "full" is told there are; 0 for what there is. Less than the rows take puts them on disk.
    kept : str or None
        Directory for the rows on disk.
    given : str or None
        Where rows of the dataset lie already; `n_rows` are generated without it.
    """
    import data_gen

    target = TARGETS[name][0]
    features = [c.name for c in data_gen.datasets()[name].columns if c.name != target]
    source = ParquetSource(given or str(prepared(name, n_rows)), target, features)
    every = max(2, min(20, len(source.shards)))
    learned, held = source.split(every=every)
    runs, spare = [], getattr(placement, "spare_memory")  # noqa: B009  as below
    for kind in kinds:
        params = {"num_iterations": trees, "num_leaves": num_leaves, "max_depth": max_depth, "num_threads": n_threads,
                  "engine": "native", "boosting": kind, "verbosity": -1}  # fmt: skip
        began = time.perf_counter()
        try:
            if room and kind == "full":
                setattr(placement, "spare_memory", lambda: int(room * 2**30))  # noqa: B010  what a small machine has
            fitted = train(
                params, learned, classify=True, n_workers=1, cache=kept if kind == "full" else None
            )
        finally:
            setattr(placement, "spare_memory", spare)  # noqa: B010
        seconds, worker = time.perf_counter() - began, fitted.stats["workers"][0]
        runs.append(
            {
                "boosting": kind,
                "plan": fitted.stats["plan"],
                "seconds": seconds,
                "fill_seconds": worker["fill_seconds"],
                "seconds_a_tree": worker["train_seconds"] / trees,
                "peak_gib": worker["peak_bytes"] / 2**30,
                "auc": _auc(fitted, held),
            }
        )
    job = {
        "dataset": name,
        "rows": source.n_rows,
        "learned_rows": learned.n_rows,
        "features": len(features),
        "trees": trees,
        "num_leaves": num_leaves,
    }
    return {**job, "max_depth": max_depth, "threads": n_threads, "kinds": runs}


def _auc(fitted: Trained, held: ParquetSource) -> float:
    forest, labels, scores, n = compile_model(fitted.booster), list[Any](), list[Any](), 0
    for shard in held.shards:
        for block in held.raw_blocks(shard):
            rows = fitted.encoder.encode(block)
            label = np.asarray(rows.label, np.float64)
            labels.append(label)
            scores.append(np.asarray(forest.predict(rows.matrix, raw_score=True)))
            n += len(label)
        if n >= MOST_HELD:
            break
    return auc(np.concatenate(labels), np.concatenate(scores), None)
