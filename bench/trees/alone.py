"""Trees alone, contender by contender in turns: seconds a tree, medians, ratios within one run."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable
from typing import Any

import lightgbm as lgb
import numpy as np

from bench.trees.rows import grower_of, numbers, rows_of, target_of
from scalable.boosting.native.crew import Crew

LIGHTGBM = {
    "lightgbm": {},  # chooses between its two layouts itself
    "lightgbm_row_wise": {"force_row_wise": True},
    "lightgbm_col_wise": {"force_col_wise": True},
    "lightgbm_quantised": {"use_quantized_grad": True},
}
WARM, TURNS, TREES_A_TURN = 2, 5, 4


def alone(
    n_rows: int, n_columns: int, num_leaves: int, n_threads: int, contenders: list[str]
) -> dict[str, Any]:
    """Return milliseconds a tree of every contender, five turns in which each grows a few trees.

    Parameters
    ----------
    n_rows, n_columns, num_leaves, n_threads : int
        Of the job.
    contenders : list of str
        "ours", "xgboost" and the names of `LIGHTGBM`; the ones not installed are left out.
    """
    params = {"objective": "binary", "num_leaves": num_leaves}
    X, noisy = numbers(n_rows, n_columns, 0)
    y = target_of(noisy, params)
    with contextlib.ExitStack() as stack:
        steps: dict[str, Callable[[], object]] = {}
        for name in contenders:
            if name == "ours":
                steps[name] = _ours(X, y, params, n_threads, stack)
            elif name == "xgboost":
                with contextlib.suppress(ImportError):
                    steps[name] = _xgboost(X, y, num_leaves, n_threads)
            else:
                steps[name] = _lightgbm(X, y, {**params, **LIGHTGBM[name]}, n_threads)
        for step in steps.values():
            for _ in range(WARM):
                step()
        times: dict[str, list[float]] = {name: [] for name in steps}
        for _ in range(TURNS):
            for name, step in steps.items():
                began = time.perf_counter()
                for _ in range(TREES_A_TURN):
                    step()
                times[name].append((time.perf_counter() - began) / TREES_A_TURN)
    medians = {name: statistics.median(values) for name, values in times.items()}
    ratios = {
        name: statistics.median(a / b for a, b in zip(values, times["ours"], strict=True))
        for name, values in times.items()
        if "ours" in times
    }
    job = {"rows": n_rows, "columns": n_columns, "num_leaves": num_leaves, "threads": n_threads}
    return {
        **job,
        "ms_a_tree": {name: 1e3 * value for name, value in medians.items()},
        "ns_a_row_and_tree": {name: 1e9 * value / n_rows for name, value in medians.items()},
        "times_ours": ratios,
    }


def _ours(
    X: Any, y: Any, params: dict[str, Any], n_threads: int, stack: contextlib.ExitStack
) -> Callable[[], object]:
    rows = rows_of(X, y, params, n_threads)
    crew = stack.enter_context(Crew(len(rows.parts)))
    boosting, done = grower_of(rows, params, crew), iter(range(10**6))
    return lambda: boosting.iterate(next(done), 0.1)


def _lightgbm(X: Any, y: Any, params: dict[str, Any], n_threads: int) -> Callable[[], object]:
    given = {**params, "num_threads": n_threads, "verbosity": -1}
    booster = lgb.Booster(given, lgb.Dataset(X, y, params=given).construct())

    def step() -> None:
        booster.update()

    return step


def _xgboost(X: Any, y: Any, num_leaves: int, n_threads: int) -> Callable[[], object]:
    import xgboost

    params = {"objective": "binary:logistic", "tree_method": "hist", "grow_policy": "lossguide", "nthread": n_threads,
              "max_leaves": num_leaves, "max_depth": 0, "eta": 0.1, "max_bin": 255, "verbosity": 0}  # fmt: skip
    data = xgboost.QuantileDMatrix(X, y, max_bin=255, nthread=n_threads)
    booster, done = xgboost.Booster(params, [data]), iter(range(10**6))
    return lambda: booster.update(data, next(done))


def threads(n_rows: int, n_columns: int, num_leaves: int) -> dict[str, Any]:
    """Return how much faster two threads grow the same trees than one, in turns."""
    params = {"objective": "binary", "num_leaves": num_leaves}
    X, noisy = numbers(n_rows, n_columns, 0)
    y = target_of(noisy, params)
    with contextlib.ExitStack() as stack:
        steps = {n: _ours(X, y, params, n, stack) for n in (1, 2)}
        times: dict[int, list[float]] = {1: [], 2: []}
        for turn in range(WARM + TURNS):
            for n, step in steps.items():
                began = time.perf_counter()
                for _ in range(TREES_A_TURN):
                    step()
                if turn >= WARM:
                    times[n].append(time.perf_counter() - began)
    ratios = [a / b for a, b in zip(times[1], times[2], strict=True)]
    return {
        "rows": n_rows,
        "columns": n_columns,
        "num_leaves": num_leaves,
        "speedup": float(np.median(ratios)),
    }
