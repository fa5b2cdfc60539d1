"""Perceptrons: steps beside their matrix products and others', quality beside LightGBM's and others' in equal time.

    python -m bench.records.neural.neural_numbers --rows 1e6 --out docs/results/neural.json

The rows are `physics`, whose best possible log loss is known. The perceptron trains first, from Parquet; LightGBM, on
the same rows in memory (binning is counted), grows trees until as much time has passed, and scikit-learn's perceptron,
on rows in memory, learns batch by batch for as long. All are scored on rows that none saw. JAX and torch are measured
where they are installed; where not, `peers` says why.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.neural_network import MLPClassifier as ScikitLearn
from sklearn.preprocessing import StandardScaler

import data_gen
from bench.records.neural.step_times import PEERS, missing, step_times
from scalable import ParquetSource
from scalable.neural import MLPClassifier
from scalable.report.document import new_results
from scalable.report.results import write_results

BATCH = 1024
NETWORKS: dict[str, dict[str, Any]] = {
    "2 x 64": {"hidden_layer_sizes": (64, 64), "max_iter": 10},
    "2 x 64, 16 pieces a number": {"hidden_layer_sizes": (64, 64), "pieces": 16, "max_iter": 10},
    "2 x 64, 8 waves a number": {"hidden_layer_sizes": (64, 64), "frequencies": 8, "max_iter": 10},
    "3 x 256, residual": {
        "hidden_layer_sizes": (256, 256, 256),
        "residual": True,
        "normalization": "layer",
        "max_iter": 3,
    },
}
HELD_OUT = 200_000
TREES = 5  # grown between two looks at the clock


def matrix(start: int, stop: int) -> tuple[Any, Any]:
    """Return features (n, 28) float32 and labels of `physics`."""
    table = data_gen.rows("physics", start, stop)
    X = np.stack([table[name].to_numpy() for name in table.column_names[:-1]], axis=1)
    return X, table["signal"].to_numpy()


def scored(truth: Any, probability: Any) -> dict[str, float]:
    """Return log loss and AUC."""
    return {"log_loss": float(log_loss(truth, probability)), "auc": float(roc_auc_score(truth, probability))}


def perceptron(place: Path, held_out: tuple[Any, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Train from Parquet and return what it cost and how good it is."""
    source = ParquetSource(str(place), target="signal")
    model = MLPClassifier(
        **given, batch_size=BATCH, learning_rate="cosine", learning_rate_init=2e-3, solver="adamw",
        tol=0.0, n_iter_no_change=100,
    )  # fmt: skip
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the number of epochs is what was asked for
        model.fit(source)
    seconds = time.perf_counter() - start
    table = data_gen.rows("physics", 10**9, 10**9 + HELD_OUT)
    return {"seconds": seconds, **scored(held_out[1], model.predict_proba(table.drop(["signal"]))[:, 1])}


def trees(rows: int, held_out: tuple[Any, Any], seconds: float) -> dict[str, Any]:
    """Grow trees of 63 leaves for so many seconds and return how good they are."""
    X, y = matrix(0, rows)
    start = time.perf_counter()
    data = lightgbm.Dataset(X, y).construct()
    booster = lightgbm.Booster(
        {"objective": "binary", "num_leaves": 63, "learning_rate": 0.1, "verbosity": -1}, data
    )
    while time.perf_counter() - start < seconds:
        for _ in range(TREES):
            booster.update()
    spent = time.perf_counter() - start
    return {
        "seconds": spent,
        "trees": booster.num_trees(),
        **scored(held_out[1], booster.predict(held_out[0])),
    }


def scikit_learn(
    rows: int, held_out: tuple[Any, Any], given: dict[str, Any], seconds: float
) -> dict[str, Any]:
    """Train scikit-learn's perceptron of as many units for so many seconds and return how good it is."""
    X, y = matrix(0, rows)
    start = time.perf_counter()
    scale = StandardScaler().fit(X)
    model = ScikitLearn(given["hidden_layer_sizes"], learning_rate_init=2e-3, batch_size=BATCH)
    random, steps = np.random.default_rng(0), 0
    while time.perf_counter() - start < seconds:
        order = random.permutation(rows)
        for low in range(0, rows, BATCH):
            some = order[low : low + BATCH]
            model.partial_fit(scale.transform(X[some]), y[some], classes=[0, 1])
            steps += 1
            if time.perf_counter() - start >= seconds:
                break
    spent, p = time.perf_counter() - start, model.predict_proba(scale.transform(held_out[0]))[:, 1]
    return {"seconds": spent, "epochs": steps * BATCH / rows, **scored(held_out[1], p)}


def quality(rows: int) -> list[dict[str, Any]]:
    """Return a row a network: its quality, LightGBM's in as much time, and the best possible."""
    held_out = matrix(10**9, 10**9 + HELD_OUT)
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch) / "physics"
        data_gen.generate("physics", rows=rows, out=place, seed=0)
        truth = json.loads((place / "manifest.json").read_text("utf-8"))["truth"]
        MLPClassifier(max_iter=1).fit(*matrix(0, 5_000))  # compiles
        for name, given in NETWORKS.items():
            own = perceptron(place, held_out, given)
            found.append({"network": name, "epochs": given["max_iter"], "perceptron": own,
                          "lightgbm": trees(rows, held_out, own["seconds"]),
                          "scikit-learn": scikit_learn(rows, held_out, given, own["seconds"])})  # fmt: skip
            print(found[-1], flush=True)
    return [*found, {"best": {name: truth[name]["expected"] for name in ("log_loss", "auc")}}]


def main() -> None:
    """Measure, and write what was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=float, default=1e6)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    warnings.filterwarnings("ignore", message=".*has not converged")
    peers = {name: missing(name) or "measured" for name in PEERS}
    sections = {"peers": peers, "steps": step_times(), "quality": quality(int(given.rows))}
    write_results(given.out, new_results("neural", sections, seed=0))


if __name__ == "__main__":
    main()
