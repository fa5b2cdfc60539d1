"""Held-out losses of both engines on small real datasets: seeds draw which fifth of the rows is held out."""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.metrics import log_loss

from scalable.boosting.estimators import LGBMClassifier, LGBMRegressor

# name -> files, target, whether it is classes
SETS: dict[str, tuple[tuple[str, ...], str, bool]] = {
    "a9a": (("a9a_train", "a9a_test"), "label", True),
    "adult": (("adult_train", "adult_test"), "label", True),
    "agaricus": (("agaricus_train", "agaricus_test"), "label", True),
    "higgs": (("higgs_sample_train", "higgs_sample_test"), "label", True),
    "covtype": (("covtype20k",), "label", True),
    "california": (("california_housing",), "medianHouseValue", False),
    "flights": (("flights200k",), "delay", False),
}


def real(directory: Path, name: str, trees: int, num_leaves: int, seeds: int) -> dict[str, Any]:
    """Return held-out log losses (or RMSE) of both engines with the same parameters, seed by seed.

    Parameters
    ----------
    directory : Path
        Where the files of `SETS` are.
    """
    files, target, classify = SETS[name]
    table = pa.concat_tables([pq.read_table(directory / f"{file}.parquet") for file in files])
    losses: dict[str, list[float]] = {"native": [], "lightgbm": []}
    for seed in range(seeds):
        held_out = np.random.default_rng(seed).permutation(len(table)) % 5 == 0
        learned, held = table.filter(pa.array(~held_out)), table.filter(pa.array(held_out))
        for engine, found in losses.items():
            found.append(_loss(learned, held, target, classify, trees, num_leaves, seed, engine))
    ours, theirs = np.array(losses["native"]), np.array(losses["lightgbm"])
    differences = ours - theirs
    return {
        "dataset": name,
        "rows": len(table),
        "trees": trees,
        "num_leaves": num_leaves,
        "losses": losses,
        "relative_mean": float(differences.mean() / theirs.mean()),
        "standard_errors": float(
            differences.mean() / (statistics.stdev(differences) / math.sqrt(seeds) or 1.0)
        ),
    }


def _loss(
    learned: pa.Table,
    held: pa.Table,
    target: str,
    classify: bool,
    trees: int,
    num_leaves: int,
    seed: int,
    engine: str,
) -> float:
    kind = LGBMClassifier if classify else LGBMRegressor
    params = {"n_estimators": trees, "num_leaves": num_leaves, "random_state": seed, "num_threads": 1}
    model = kind(engine=engine, **params)
    model.fit(learned.drop_columns(target), learned[target].to_numpy())
    rows, truth = held.drop_columns(target), held[target].to_numpy()
    if classify:
        return float(log_loss(truth, model.predict_proba(rows), labels=model.classes_))
    return float(np.sqrt(np.mean((truth - model.predict(rows)) ** 2)))
