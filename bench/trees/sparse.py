"""Trees on columns of mostly one value beside LightGBM, which bundles them: processor time a tree, in turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bench.trees.rows import grower_of, rows_of
from scalable.boosting.native.crew import Crew

WARM, TURNS, TREES_A_TURN = 2, 7, 5
REAL = ("a9a", "agaricus")
# Generated: rows, columns, share of the values that are not 0.
GENERATED = {
    "60 columns, 5 %": (50_000, 60, 0.05),
    "60 columns, 15 %": (50_000, 60, 0.15),
    "500 columns, 1 %": (30_000, 500, 0.01),
}


def sparse(directory: Path, name: str, num_leaves: int) -> dict[str, Any]:
    """Return milliseconds of processor time that a tree takes either engine on one thread, and their ratio.

    Parameters
    ----------
    directory : Path
        Where the files of `REAL` are.
    name : str
        Of `REAL` or `GENERATED`.
    num_leaves : int
    """
    X, y = _real(directory, name) if name in REAL else _generated(*GENERATED[name])
    params = {"objective": "binary", "num_leaves": num_leaves}
    with Crew(1) as crew:
        boosting, done = grower_of(rows_of(X, y, params, 1), params, crew), iter(range(10**6))
        given = {**params, "num_threads": 1, "verbosity": -1}
        booster = lgb.Booster(given, lgb.Dataset(X, y, params=given).construct())
        steps: dict[str, Callable[[], object]] = {
            "ours": lambda: boosting.iterate(next(done), 0.1),
            "lightgbm": booster.update,
        }
        times: dict[str, list[float]] = {engine: [] for engine in steps}
        for turn in range(WARM + TURNS):
            for engine, step in steps.items():
                began = time.process_time()
                for _ in range(TREES_A_TURN):
                    step()
                if turn >= WARM:
                    times[engine].append((time.process_time() - began) / TREES_A_TURN)
    return {
        "dataset": name,
        "rows": len(X),
        "columns": X.shape[1],
        "num_leaves": num_leaves,
        "processor_ms_a_tree": {engine: 1e3 * statistics.median(found) for engine, found in times.items()},
        "times_as_fast": statistics.median(
            theirs / ours for ours, theirs in zip(times["ours"], times["lightgbm"], strict=True)
        ),
    }


def _real(directory: Path, name: str) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    table = pq.read_table(directory / f"{name}_train.parquet")
    columns = [table[column].to_numpy() for column in table.column_names if column != "label"]
    return np.nan_to_num(np.column_stack(columns)).astype(np.float32), (table["label"].to_numpy() > 0).astype(
        np.float64
    )


def _generated(n_rows: int, n_columns: int, share: float) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    rng = np.random.default_rng(0)
    X = np.where(rng.random((n_rows, n_columns)) < share, rng.standard_normal((n_rows, n_columns)), 0.0)
    noisy = X[:, :8].sum(axis=1) + rng.logistic(size=n_rows)
    return X.astype(np.float32), (noisy > 0).astype(np.float64)
