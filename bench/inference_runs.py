"""The recorded runs behind docs/inference.md; each writes one results document.

    python -m bench.inference_runs latency --out docs/results/inference_latency.json
    python -m bench.inference_runs linear  --out docs/results/inference_linear.json
    python -m bench.inference_runs threads --out docs/results/inference_threads.json --repeats 21
    python -m bench.inference_runs steps   --out docs/results/inference_steps.json
    python -m bench.inference_runs grid    --out docs/results/inference_grid.json
    python -m bench.inference_runs load    --out docs/results/inference_load.json
    python -m bench.inference_runs open    --out docs/results/inference_open_loop.json
    python -m bench.inference_runs score   --out docs/results/inference_scoring.json
    python -m bench.inference_runs exact   --out docs/results/inference_exactness.json --models 200 --seed 20261122

Models are trained on synthetic rows once and kept in ``--cache``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from scalable.inference import engines as registry
from scalable.inference import latency, open_loop
from scalable.report.results import new_results, write_results

MAIN = (500, 63, 28)
GRID = tuple((t, leaves, f) for f in (20, 100) for leaves in (31, 63, 255) for t in (100, 500, 1000))


def rows_of(features: int, count: int, seed: int) -> np.ndarray:
    """Return standard normal rows."""
    return np.random.default_rng(seed).standard_normal((count, features))


def model_text(shape: tuple[int, int, int], cache: Path) -> str:
    """Return the text of a binary model of (trees, leaves, features): the first trees of one trained once."""
    import lightgbm

    trees, leaves, features = shape
    path = cache / f"{trees}_{leaves}_{features}.txt"
    if not path.exists():
        sizes = {t for t, *rest in (MAIN, *GRID) if rest == [leaves, features]} | {trees}
        cache.mkdir(parents=True, exist_ok=True)
        X = rows_of(features, 20_000, features)
        z = (
            X[:, 0]
            + np.sin(2 * X[:, 0] * X[:, 1])
            + X[:, 2] * X[:, 3]
            - 0.5 * X[:, 4] ** 2
            + X[:, 5:].mean(1)
        )
        y = np.random.default_rng(0).random(len(X)) < 1 / (1 + np.exp(-z))
        params = {"objective": "binary", "num_leaves": leaves, "learning_rate": 0.05, "min_data_in_leaf": 5,
                  "feature_fraction": 0.5, "verbose": -1, "num_threads": 1}  # fmt: skip
        booster = lightgbm.train(params, lightgbm.Dataset(X, y.astype(float)), max(sizes))
        for size in sizes:
            booster.save_model(cache / f"{size}_{leaves}_{features}.txt", num_iteration=size)
    return path.read_text()


def run_latency(cache: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Measure engines on the main model, all batch sizes, one and two threads."""
    text, X = model_text(MAIN, cache), rows_of(MAIN[2], options.rows, 1)
    names = options.engines.split(",") if options.engines else registry.PEERS
    sizes = [size for size in (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000) if size <= options.rows]
    found = latency.measure(
        text, X, names, single_rows=5000, batch_sizes=sizes, repeats=options.repeats, threads=(1, 2)
    )
    return {"latency": found}


def run_linear(cache: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Measure a logistic model of 28 features, ours and scikit-learn's."""
    model = registry.LinearFacts(np.linspace(-1, 1, MAIN[2])[None], np.zeros(1), "logistic")
    X = rows_of(MAIN[2], options.rows, 1)
    found = latency.measure(model, X, None, single_rows=20_000, batch_sizes=(1000, options.rows), repeats=9)
    return {"latency": found}


def run_threads(cache: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Measure ours on one and two threads in turns, 100,000 rows a call."""
    text, X = model_text(MAIN, cache), rows_of(MAIN[2], 100_000, 1)
    from scalable.inference import compile_model

    forest = compile_model(text)
    forest.predict(X, n_threads=2)
    taken: dict[int, list[tuple[float, float]]] = {1: [], 2: []}
    for _ in range(options.repeats):
        for threads, calls in taken.items():
            wall, cpu = time.perf_counter(), time.process_time()
            forest.predict(X, n_threads=threads)
            calls.append((time.perf_counter() - wall, time.process_time() - cpu))
    one, two = np.array(taken[1]), np.array(taken[2])
    ratios = one[:, 0] / two[:, 0]
    # What other programs take of the processors lengthens the clock's time, not the processors'.
    undisturbed = 2 * one[:, 1] / two[:, 1]

    def spread(values: np.ndarray) -> dict[str, float]:
        low, middle, high = np.quantile(values, (0.1, 0.5, 0.9))
        return {"p10": float(low), "median": float(middle), "p90": float(high), "best": float(values.max())}

    return {"threads": {
        "rows": len(X), "calls": options.repeats,
        "seconds": {"1": spread(one[:, 0]), "2": spread(two[:, 0])},
        "cpu_seconds": {"1": spread(one[:, 1]), "2": spread(two[:, 1])},
        "ratio_by_clock": spread(ratios), "ratio_by_processor_time": spread(undisturbed),
    }}  # fmt: skip


def run_steps(cache: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Measure ours with each optimisation switched on one after another."""
    text, X = model_text(MAIN, cache), rows_of(MAIN[2], 20_000, 4)
    steps = tuple(registry.STEPS)
    found = latency.measure(text, X, steps, single_rows=100, batch_sizes=(1000,), repeats=15)
    return {"latency": found, "waterfall": latency.waterfall(found)}


def run_grid(cache: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Measure LightGBM and ours over the grid of model sizes."""
    table = []
    for shape in GRID:
        X = rows_of(shape[2], 6000, 2)
        names = ("lightgbm", "lightgbm-fast", "scalable")
        found = latency.measure(
            model_text(shape, cache), X, names, single_rows=600, batch_sizes=(1000, 5000), repeats=3
        )
        for batch, rows in found.items():
            table += [
                {"trees": shape[0], "leaves": shape[1], "features": shape[2], "batch": int(batch), **{
                    key: row[key] for key in ("engine", "p50_us", "p99_us", "min_us", "bit_equal") if key in row}}
                for row in rows
            ]  # fmt: skip
        print(shape, flush=True)
    return {"grid": table}


_LOAD = """
import json, sys, time
import numba, numpy as np, scipy.linalg
from scalable.inference import compile_model, load_compiled
import scalable.inference.forest
from scalable.inference.linear_row import CompiledLinear
CompiledLinear(np.zeros(2), 0.0, "identity").predict_one(np.zeros(2))  # Numba itself is up
path, mapped = sys.argv[1:]
n_features = 20
x, X = np.zeros(n_features), np.zeros((1000, n_features))
def timed(make, rows):
    wall, cpu = time.perf_counter(), time.process_time()
    model = make()
    (model.predict_one if rows.ndim == 1 else model.predict)(rows)
    return {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
out = {"text_to_first_row": timed(lambda: compile_model(path), x)}
out["text_to_first_batch"] = timed(lambda: compile_model(path), X)
compile_model(path).save(mapped)
mapped_times = [timed(lambda: load_compiled(mapped), x) for _ in range(7)]
out["mapped_to_first_row"] = min(mapped_times, key=lambda t: t["seconds"])
out["mapped_bytes"] = __import__("os").path.getsize(mapped)
print(json.dumps(out))
"""


def run_load(cache: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Time loading 1,000 trees in fresh processes: with an empty kernel cache, then with a warm one.

    CPU seconds stand beside, as a shared machine stretches the others.
    """
    model_text((1000, 63, 20), cache)
    path = str(cache / "1000_63_20.txt")
    empty = cache / f"kernels-{os.getpid()}"
    found = {}
    for name in ("empty kernel cache", "warm kernel cache"):
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", _LOAD, path, str(cache / "mapped.forest")],
            env=os.environ | {"SCALABLE_CACHE_DIR": str(empty)}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        found[name] = json.loads(done.stdout) | {"process_seconds": time.perf_counter() - start}
    return {"load": found}


def run_open(cache: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Measure under Poisson arrivals."""
    text, X = model_text(MAIN, cache), rows_of(MAIN[2], 4000, 3)
    return {
        "open_loop": open_loop.measure_open_loop(
            text, X, ("lightgbm", "lightgbm-fast", "scalable"), requests=2000
        )
    }


def run_score(cache: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Score a Parquet dataset of 22 columns, 6 of text, with 300 trees x 63 leaves; beside it its two limits."""
    import psutil

    import data_gen
    from scalable import ParquetSource
    from scalable.boosting import LGBMClassifier
    from scalable.execution.reader import BlockReader
    from scalable.execution.rounds import run_fold
    from scalable.execution.threads import Threads
    from scalable.inference.model import load_model
    from scalable.inference.score import score

    home = cache / "fraud"
    if not (home / "m").exists():
        data_gen.generate("fraud", rows=3_000_000, out=home / "data", seed=0)
        data_gen.generate("fraud", rows=300_000, out=home / "train", seed=1)
        LGBMClassifier(n_estimators=300, num_leaves=63).fit(
            ParquetSource(home / "train", target="is_fraud")
        ).save(home / "m")
    predictor = load_model(home / "m")
    source = ParquetSource(home / "data", features=predictor.needed)
    held = [raw for shard in source.shards[:12] for raw in source.raw_blocks(shard, predictor.needed)]
    X = np.concatenate([predictor.matrix(raw) for raw in held])
    predictor.forest.predict(X[:20_000], n_threads=2)
    table = []
    for threads in (1, 2) * 3:
        shutil.rmtree(home / "scored", ignore_errors=True)
        executor = Threads(threads)
        reader = BlockReader(source, columns=tuple(predictor.needed))
        ticks = [time.perf_counter()]
        run_fold(executor, _Rows(), reader)
        ticks.append(time.perf_counter())
        predictor.forest.predict(X, n_threads=threads)
        ticks.append(time.perf_counter())
        score(predictor, source, home / "scored", executor=executor)
        ticks.append(time.perf_counter())
        seconds = np.diff(ticks)
        scan, memory, scored = source.n_rows / seconds[0], len(X) / seconds[1], source.n_rows / seconds[2]
        table.append({"threads": threads, "rows": source.n_rows, "scan": scan, "in_memory": memory, "scored": scored,
                      "of_the_smaller": scored / min(scan, memory),
                      "rss_bytes": psutil.Process().memory_info().rss})  # fmt: skip
        print(table[-1], flush=True)
    return {"scoring": table}


class _Rows:
    """Counts rows: the bare scan as a fold."""

    def init(self) -> int:
        return 0

    def step(self, state: int, block: Any) -> int:
        return state + int(block.n_rows)

    def merge(self, left: int, right: int) -> int:
        return left + right

    def finish(self, state: int) -> int:
        return state


def run_exact(cache: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Compare engines with LightGBM, bit for bit, on random models and rows on the edges of their decisions."""
    from bench import forests

    names = options.engines.split(",") if options.engines else ["scalable", "lightgbm-fast"]
    found: dict[str, Any] = {
        name: {
            "models": 0,
            "exact_models": 0,
            "rows": 0,
            "wrong_rows": 0,
            "largest_relative": 0.0,
            "refused": {},
        }
        for name in names
    }
    for seed in range(options.seed, options.seed + options.models):
        booster, _ = forests.random_booster(seed)
        X = np.ascontiguousarray(forests.edge_rows(booster, seed))
        expected = booster.predict(X)
        for name in names:
            try:
                got = registry.build(name, registry.describe(booster.model_to_string())).predict(X)
            except Exception as error:  # a peer may refuse a model in any way it likes
                reasons = found[name]["refused"]
                reasons[str(error)[:80]] = reasons.get(str(error)[:80], 0) + 1
                continue
            got = got.reshape(expected.shape)
            same = (got == expected) | (np.isnan(got) & np.isnan(expected))
            wrong = int((~same).reshape(len(X), -1).any(axis=1).sum())
            figures = found[name]
            figures["models"] += 1
            figures["exact_models"] += wrong == 0
            figures["rows"] += len(X)
            figures["wrong_rows"] += wrong
            figures["largest_relative"] = max(figures["largest_relative"], _relative(got, expected))
    return {"exactness": {"seed": options.seed, "models": options.models, "engines": found}}


def _relative(got: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest difference of finite values, relative to the larger of 1e-6 and the expected value."""
    finite = np.isfinite(got) & np.isfinite(expected)
    scale = np.maximum(np.abs(expected[finite]), 1e-6)
    return float((np.abs(got[finite] - expected[finite]) / scale).max(initial=0.0))


RUNS = {
    "latency": run_latency,
    "linear": run_linear,
    "threads": run_threads,
    "steps": run_steps,
    "grid": run_grid,
    "load": run_load,
    "open": run_open,
    "score": run_score,
    "exact": run_exact,
}


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", choices=RUNS)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path(".inference-models"))
    parser.add_argument("--engines", help="comma-separated; by default all peers")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--models", type=int, default=200)
    parser.add_argument("--seed", type=int, default=20261122)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    before = os.getloadavg()[0]
    sections = RUNS[options.run](options.cache.resolve(), options)
    after = os.getloadavg()[0]
    notes = [
        f"Load average {before:.1f} before and {after:.1f} after, on {os.cpu_count()} shared processors."
    ]
    command = f"python -m bench.inference_runs {options.run}"
    write_results(options.out, new_results("inference", sections | {"notes": notes}, options.seed, command))


if __name__ == "__main__":
    main()
