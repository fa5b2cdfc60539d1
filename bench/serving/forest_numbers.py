"""Forests of XGBoost, scikit-learn and LightGBM (linear leaves) compiled, beside their own predict.

One thread, in turns, the same bits.

python -m bench.serving.forest_numbers --out docs/results/serving_forests.json
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
from sklearn import ensemble

from scalable.inference import compile_model
from scalable.report.document import new_results
from scalable.report.results import write_results

FEATURES, LEARNED, LEAVES, TURNS, SINGLE_TURNS = 28, 10_000, 63, 3, 51
Predict = Callable[[np.ndarray], np.ndarray]


def _target(X: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    score = X[:, 0] * X[:, 1] + np.sin(3 * X[:, 2]) + X[:, 3]
    return np.asarray(score + rng.normal(size=len(X)) > 0, np.int64)


def forests(
    n_trees: int, X: np.ndarray, y: np.ndarray
) -> Iterator[tuple[str, Any, Predict, float | None, float | None]]:
    """Yield a name, a fitted model, its own prediction, and the ratios asked for many rows and for one."""
    try:
        import xgboost
    except ImportError:
        print("xgboost is not installed: left out")
    else:
        shape = {"max_leaves": LEAVES, "max_depth": 0, "grow_policy": "lossguide", "nthread": 1}
        booster = xgboost.train({"objective": "binary:logistic", **shape}, xgboost.DMatrix(X, y), n_trees)
        yield "XGBoost", booster, booster.inplace_predict, 15.0, 10.0
    linear = {
        "objective": "binary",
        "num_leaves": LEAVES,
        "linear_tree": True,
        "num_threads": 1,
        "verbose": -1,
    }
    leaves: Any = lightgbm.train(linear, lightgbm.Dataset(X, y), n_trees)
    yield "LightGBM, linear leaves", leaves, partial(leaves.predict, num_threads=1), None, None
    small: dict[str, Any] = {
        "n_estimators": n_trees,
        "max_leaf_nodes": LEAVES,
        "n_jobs": 1,
        "random_state": 0,
    }
    for kind in (ensemble.RandomForestClassifier, ensemble.ExtraTreesClassifier):
        model: Any = kind(**small).fit(X, y)
        yield kind.__name__, model, model.predict_proba, 20.0, None
    boosted: Any = ensemble.HistGradientBoostingClassifier(
        max_iter=n_trees, max_leaf_nodes=LEAVES, early_stopping=False, random_state=0
    ).fit(X, y)
    yield "HistGradientBoostingClassifier", boosted, boosted.predict_proba, 20.0, None
    grown: Any = ensemble.RandomForestClassifier(n_trees // 5, n_jobs=1, random_state=0).fit(X, y)
    yield "RandomForestClassifier, fully grown", grown, grown.predict_proba, 3.0, None


def _turns(ours: Predict, theirs: Predict, X: np.ndarray, turns: int) -> tuple[float, float]:
    """Return medians in microseconds a row."""
    taken = np.empty((turns, 2))
    for turn in range(turns):
        for k, way in enumerate((ours, theirs)):
            start = time.perf_counter()
            way(X)
            taken[turn, k] = time.perf_counter() - start
    ours_us, theirs_us = np.median(taken, axis=0) * 1e6 / len(X)
    return float(ours_us), float(theirs_us)


def _one(predict_one: Predict, X: np.ndarray) -> Any:
    return predict_one(X[0])


def measure(n_trees: int, many: int, few: int) -> list[dict[str, Any]]:
    """Return a row a forest and size of call; scikit-learn, which is slower, predicts `few` rows instead of `many`."""
    os.environ["OMP_NUM_THREADS"] = "1"  # HistGradientBoosting's, read when it is first used
    rng = np.random.default_rng(0)
    X, rows = rng.normal(size=(LEARNED, FEATURES)), rng.normal(size=(many, FEATURES))
    X, rows = X.astype(np.float32), rows.astype(np.float32)  # what both libraries split
    out = []
    for name, model, theirs, asked_many, asked_one in forests(n_trees, X, _target(X, rng)):
        compiled: Any = compile_model(model)
        scores = getattr(compiled, "scores", compiled)  # a classifier's own predict gives labels
        ours = getattr(compiled, "predict_proba", scores.predict)
        sizes = (
            (rows if name == "XGBoost" else rows[:few], TURNS, asked_many),
            (rows[:1], SINGLE_TURNS, asked_one),
        )
        different = int((ours(rows[:few]) != theirs(rows[:few])).sum())
        for X_call, turns, asked in sizes:
            way = ours if len(X_call) > 1 else partial(_one, scores.predict_one)
            way(X_call)  # the first call compiles
            mine, its = _turns(way, theirs, X_call, turns)
            out.append({
                "forest": name, "trees": n_trees, "rows_a_call": len(X_call), "scalable_us": mine, "library_us": its,
                "times_as_fast": its / mine, "asked": asked, "different_bits": different,
            })  # fmt: skip
            print({key: round(v, 3) if isinstance(v, float) else v for key, v in out[-1].items()}, flush=True)
    return out


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trees", type=int, default=500)
    parser.add_argument("--rows", type=int, default=100_000, help="that XGBoost predicts")
    parser.add_argument("--few", type=int, default=10_000, help="that scikit-learn predicts")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    found = measure(options.trees, options.rows, options.few)
    write_results(options.out, new_results("serving", {"forests": found}))


if __name__ == "__main__":
    main()
