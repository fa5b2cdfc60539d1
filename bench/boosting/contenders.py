"""Training the same trees on the same Parquet: here, on a Dask cluster, and by what people would use instead."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow.parquet as pq

TREE = {"objective": "binary", "num_leaves": 63, "learning_rate": 0.1, "verbosity": -1}


@contextmanager
def two_workers() -> Iterator[tuple[Any, float]]:
    """Run a local Dask cluster of two one-thread workers without a limit of memory.

    Yields its client and when its start began; what is imported for it is imported before.
    """
    from distributed import Client, LocalCluster

    began = time.perf_counter()
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", memory_limit=0
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client, began


def ours(directory: str, trees: int, test: str) -> dict[str, Any]:
    """One process of this machine, two threads."""
    from scalable import ParquetSource
    from scalable.boosting import LGBMClassifier

    began = time.perf_counter()
    model = LGBMClassifier(trees, num_leaves=63, num_threads=2).fit(ParquetSource(directory, target="y"))
    seconds = time.perf_counter() - began
    return {"fit_seconds": seconds, "auc": auc(model.booster_, test), "stats": model.stats_}


def ours_dask(directory: str, trees: int, test: str) -> dict[str, Any]:
    """Two one-thread workers of a local Dask cluster, its start included as in `lightgbm_dask`."""
    from scalable import ParquetSource
    from scalable.boosting import LGBMClassifier

    with two_workers() as (client, began):
        ready = time.perf_counter()
        model = LGBMClassifier(trees, num_leaves=63, client=client)
        model.fit(ParquetSource(directory, target="y"))
        seconds = time.perf_counter() - began
    found = {"fit_seconds": seconds, "cluster_seconds": ready - began, "stats": model.stats_}
    return {**found, "auc": auc(model.booster_, test)}


def plain(directory: str, trees: int, test: str) -> dict[str, Any]:
    """``lgb.train`` on an Arrow table, two threads."""
    import lightgbm as lgb

    began = time.perf_counter()
    table = pq.read_table(directory)
    data = lgb.Dataset(table.drop(["y"]), table["y"])
    booster = lgb.train({**TREE, "num_threads": 2}, data, num_boost_round=trees)
    return {"fit_seconds": time.perf_counter() - began, "auc": auc(booster, test)}


def lightgbm_dask(directory: str, trees: int, test: str) -> dict[str, Any]:
    """``lightgbm.dask`` on persisted input, its best case; two one-thread workers."""
    import dask.dataframe as dd
    import lightgbm as lgb
    from distributed import wait

    with two_workers() as (client, began):
        ready = time.perf_counter()
        frame = dd.read_parquet(directory).persist()
        wait(frame)
        X, y = frame.drop(columns=["y"]).persist(), frame["y"].persist()
        wait([X, y])
        model = lgb.DaskLGBMClassifier(
            client=client, n_estimators=trees, num_leaves=63, learning_rate=0.1, verbosity=-1
        )
        model.fit(X, y)
        seconds = time.perf_counter() - began
    found = {"fit_seconds": seconds, "cluster_seconds": ready - began}
    return {**found, "auc": auc(model.booster_, test)}


def ydf(directory: str, trees: int, test: str) -> dict[str, Any]:
    """Yggdrasil Decision Forests, two threads: columns in bins, leaf by leaf."""
    import ydf as forests

    began = time.perf_counter()
    X, y = _arrays(directory)
    forests.verbose(0)
    learner = forests.GradientBoostedTreesLearner(
        label="y",
        num_trees=trees,
        growing_strategy="BEST_FIRST_GLOBAL",
        max_num_nodes=TREE["num_leaves"],
        max_depth=-1,
        shrinkage=TREE["learning_rate"],
        min_examples=20,
        discretize_numerical_columns=True,
        num_discretized_numerical_bins=255,
        validation_ratio=0.0,
        early_stopping="NONE",
        num_threads=2,
    )
    model = learner.train({"X": X, "y": y.astype(np.int64)})
    seconds = time.perf_counter() - began
    return {"fit_seconds": seconds, "auc": _auc_of(lambda rows: model.predict({"X": rows}), test)}


def catboost(directory: str, trees: int, test: str) -> dict[str, Any]:
    """CatBoost, two threads: leaf by leaf."""
    import catboost as boosting

    began = time.perf_counter()
    model = boosting.CatBoostClassifier(
        iterations=trees,
        grow_policy="Lossguide",
        max_leaves=TREE["num_leaves"],
        depth=16,  # the most it takes
        learning_rate=TREE["learning_rate"],
        border_count=254,
        min_data_in_leaf=20,
        thread_count=2,
        allow_writing_files=False,
        verbose=False,
    )
    model.fit(*_arrays(directory))
    seconds = time.perf_counter() - began
    return {"fit_seconds": seconds, "auc": _auc_of(lambda rows: model.predict_proba(rows)[:, 1], test)}


CONTENDERS = {f.__name__: f for f in (ours, ours_dask, plain, lightgbm_dask, ydf, catboost)}


def _arrays(directory: str) -> tuple[np.ndarray, np.ndarray]:
    table = pq.read_table(directory)
    columns = [name for name in table.column_names if name != "y"]
    X = np.empty((len(table), len(columns)), np.float32, order="F")
    for j, name in enumerate(columns):
        X[:, j] = table[name].to_numpy()
    return X, table["y"].to_numpy()


def auc(booster: Any, test: str) -> float:
    """Return the AUC on held-out rows."""
    return _auc_of(booster.predict, test)


def _auc_of(predict: Callable[[np.ndarray], Any], test: str) -> float:
    from sklearn.metrics import roc_auc_score

    with np.load(test) as held:
        return float(roc_auc_score(held["y"], predict(held["X"])))
