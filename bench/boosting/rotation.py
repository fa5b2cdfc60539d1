"""Rotation: what a row costs, what memory it needs, and how good the trees are beside training on all rows."""

from __future__ import annotations

import resource
import time
from typing import Any

import numpy as np

from bench.boosting.processes import in_own_process
from bench.data import prepared

TEST_ROWS, TEST_SEED = 2 * 10**6, 2
TRAIN_SEED = 1
LEAVES = 63


ENGINES = {"rotate": "native", "rotate_lightgbm": "lightgbm", "gbdt": "native"}


def section_rotate(
    rows: int, trees: int, only: list[str], params: dict[str, Any] | None = None, given: str | None = None
) -> dict[str, Any]:
    """Train on fraud rows by rotation, with either engine, and on all of them at once; gaps to the Bayes-optimal AUC.

    Parameters
    ----------
    rows, trees : int
        Of the job; `rows` are generated unless they lie at `given` already.
    only : list of str
        Of `ENGINES`.
    params : dict, optional
        Further parameters of rotation.
    given : str, optional
        Directory of fraud rows of another seed than `TEST_SEED`.
    """
    from scalable import ParquetSource

    directory = given or str(prepared("fraud", rows, TRAIN_SEED))
    rows = ParquetSource(directory, target="is_fraud").n_rows
    test = str(prepared("fraud", TEST_ROWS, TEST_SEED))
    runs = {
        name: in_own_process(_trained, directory, trees, test, name, params or {})
        for name in ENGINES
        if name in only
    }
    for run in runs.values():
        if "stats" in run:
            _cost(run, rows, trees)
    found = {"rows": rows, "trees": trees, "leaves": LEAVES, "params": params or {}, "runs": runs}
    seconds = {name: run["fit_seconds"] for name, run in runs.items() if "fit_seconds" in run}
    if {"rotate", "rotate_lightgbm"} <= set(seconds):
        found["share_of_lightgbm"] = seconds["rotate"] / seconds["rotate_lightgbm"]
    return found


def _cost(run: dict[str, Any], rows: int, trees: int) -> None:
    """Add what a row costs, in microseconds of wall time: the survey per row there is, the rest per row used."""
    plan, seconds = run["stats"]["rotation"], run["stats"]["workers"]
    used = -(-trees // plan["every"]) * plan["rows"] if plan else rows
    run["rows_used"] = used
    run["microseconds_per_row"] = {
        "survey": run["stats"]["prepare_seconds"] / rows * 1e6,
        "fill": seconds[0]["fill_seconds"] / used * 1e6,
        "train": seconds[0]["train_seconds"] / used * 1e6,
    }


def _trained(directory: str, trees: int, test: str, name: str, params: dict[str, Any]) -> dict[str, Any]:
    from scalable import ParquetSource
    from scalable.boosting import LGBMClassifier

    extra: dict[str, Any] = {"engine": ENGINES[name]}
    if name != "gbdt":
        extra |= {"boosting": "rotate", **params}
    began = time.perf_counter()
    model = LGBMClassifier(trees, num_leaves=LEAVES, **extra).fit(ParquetSource(directory, target="is_fraud"))
    seconds = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = {
        "fit_seconds": seconds,
        "workers_cpu_seconds": used.ru_utime + used.ru_stime,
        "stats": model.stats_,
    }
    return {**found, **_quality(model, test)}


def _quality(model: Any, test: str) -> dict[str, float]:
    """Return AUC and log loss on rows of another seed, and those of their true probabilities."""
    from sklearn.metrics import log_loss, roc_auc_score

    import data_gen
    from scalable import ParquetSource
    from scalable.execution.reader import BlockReader
    from scalable.inference import compile_model

    source = ParquetSource(test, target="is_fraud")
    forest = compile_model(model.booster_)
    labels, scores = [], []
    for shard in source.shards:
        for rows in BlockReader(source, model.encoder_).blocks(shard):
            labels.append(rows.label)
            scores.append(forest.predict(rows.matrix, raw_score=True, n_threads=2))
    label, score = np.concatenate(labels), np.concatenate(scores)
    truth = data_gen.truth("fraud", 0, len(label), seed=TEST_SEED)
    best, found = float(roc_auc_score(label, truth)), float(roc_auc_score(label, score))
    losses = [float(log_loss(label, p)) for p in (1 / (1 + np.exp(-score)), truth)]
    return {
        "auc": found, "bayes_auc": best, "gap": best - found, "log_loss": losses[0], "bayes_log_loss": losses[1],
    }  # fmt: skip
