"""The same rows dealt in different orders and to different workers, and how far the models differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from unittest import mock

import numpy as np

from bench.boosting.contenders import TREE, two_workers
from bench.boosting.rows import COLUMNS, rows_of

WORKERS = (1, 2, 4)
PARAMS: dict[str, Any] = {
    **TREE,
    "num_leaves": 31,
    "deterministic": True,
    "force_col_wise": True,
    # LightGBM's workers only estimate how many rows a leaf has; hessians they know.
    "min_data_in_leaf": 1,
    "min_sum_hessian_in_leaf": 50.0,
}


def section_deals(rows: int, trees: int, only: list[str]) -> dict[str, Any]:
    """Compare every deal with one process on the shuffled rows, ours and ``lightgbm.dask``'s."""
    X, y = rows_of(rows, 3)
    orders = {
        "shuffled": np.arange(rows),
        "label-sorted": np.argsort(y, kind="stable"),
        "time-sorted": np.argsort(X[:, 0] + X[:, 4], kind="stable"),  # a drift in what the label depends on
        "90/10-skewed": np.arange(rows),
    }
    out: list[dict[str, Any]] = []
    first = _ours(X, y, trees, 1, skewed=False)
    for name, order in orders.items():
        for n_workers in WORKERS:
            booster = _ours(X[order], y[order], trees, n_workers, skewed=name == "90/10-skewed")
            out.append({"by": "ours", "order": name, "workers": n_workers, **_differences(first, booster, X)})
    theirs = _lightgbm_dask(
        X, y, trees, {name: (order, _shares(rows, name)) for name, order in orders.items()}
    )
    plain = _plain(X, y, trees)
    out += [
        {"by": "lightgbm.dask", "order": name, "workers": 2, **_differences(plain, booster, X)}
        for name, booster in theirs.items()
    ]
    return {"rows": rows, "columns": COLUMNS, "params": PARAMS, "trees": trees, "deals": out}


def _shares(rows: int, name: str) -> tuple[int, int]:
    large = rows * 9 // 10 if name == "90/10-skewed" else rows // 2
    return large, rows - large


def _skewed(n_rows: int, n_workers: int) -> list[int]:
    """Give nine tenths of the rows to the first worker and the rest evenly to the others."""
    most, others = n_rows * 9 // 10, max(1, n_workers - 1)
    return [0, *(most + (n_rows - most) * k // others for k in range(n_workers - 1)), n_rows]


def _ours(X: np.ndarray, y: np.ndarray, trees: int, n_workers: int, *, skewed: bool) -> Any:
    from scalable.boosting.train import train_on
    from scalable.boosting.workers import driver as driving
    from scalable.boosting.workers.launchers import LocalLauncher
    from scalable.boosting.workers.partition import even_edges
    from scalable.boosting.workers.placement import Place, Team
    from scalable.data.table import as_source
    from scalable.execution.threads import Threads

    places = tuple(Place(f"worker {worker}", "127.0.0.1", 1) for worker in range(n_workers))
    team = Team(places, Threads(1), LocalLauncher)
    with mock.patch.object(driving, "even_edges", _skewed if skewed else even_edges):
        params = {**PARAMS, "num_iterations": trees, "engine": "native"}
        fitted = train_on(team, params, as_source(X, y), classify=True)
    return fitted.booster


def _plain(X: np.ndarray, y: np.ndarray, trees: int) -> Any:
    import lightgbm as lgb

    return lgb.train({**PARAMS, "num_threads": 1}, lgb.Dataset(X, y), num_boost_round=trees)


def _lightgbm_dask(
    X: np.ndarray, y: np.ndarray, trees: int, orders: dict[str, tuple[np.ndarray, Sequence[int]]]
) -> dict[str, Any]:
    import dask.array as da
    import lightgbm as lgb
    from distributed import wait

    found = {}
    with two_workers() as (client, _):
        for name, (order, chunks) in orders.items():
            rows = client.persist(da.from_array(X[order], chunks=(tuple(chunks), X.shape[1])))
            labels = client.persist(da.from_array(y[order], chunks=(tuple(chunks),)))
            wait([rows, labels])
            params = {k: v for k, v in PARAMS.items() if k != "objective"}
            model = lgb.DaskLGBMClassifier(client=client, n_estimators=trees, **params)
            found[name] = model.fit(rows, labels).booster_
    return found


def _differences(first: Any, booster: Any, X: np.ndarray) -> dict[str, Any]:
    splits, others = _splits(first.model_to_string()), _splits(booster.model_to_string())
    scores = [b.predict(X[:50_000], raw_score=True) for b in (first, booster)]
    return {
        "trees": len(others),
        "trees_with_the_same_splits": sum(a == b for a, b in zip(splits, others, strict=False)),
        "largest_raw_score_difference": float(np.abs(scores[0] - scores[1]).max()),
    }


def _splits(text: str) -> list[tuple[str, ...]]:
    wanted = ("split_feature=", "threshold=", "left_child=", "right_child=")
    trees = text.split("\nTree=")[1:]
    return [tuple(line for line in tree.splitlines() if line.startswith(wanted)) for tree in trees]
