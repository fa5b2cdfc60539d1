"""Recorded runs of our engine alone: threads, its own tail, loading, scoring Parquet."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.records.inference_models import MAIN, model_text, rows_of


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


def run_tail(cache: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Tell the engine's own spread from the machine's: each of 3,000 rows' fastest of many passes over all of them.

    Interruptions only add time, at other rows in every pass. What differs in the minima is the rows' own work.
    """
    from scalable.inference import compile_model

    predict = compile_model(model_text(MAIN, cache)).predict_one
    rows = list(rows_of(MAIN[2], 3000, 6))
    ns = np.empty((40, len(rows)), np.int64)
    clock = time.perf_counter_ns
    for taken in ns:
        for i, row in enumerate(rows):
            start = clock()
            predict(row)
            taken[i] = clock() - start

    def spread(values: np.ndarray) -> dict[str, float]:
        low, middle, high = np.quantile(values / 1e3, (0.01, 0.5, 0.99))
        return {
            "p01_us": float(low),
            "p50_us": float(middle),
            "p99_us": float(high),
            "p99_over_p50": float(high / middle),
        }

    return {"tail": {"passes": len(ns) - 1, "rows": len(rows), "fastest_of_passes": spread(ns[1:].min(axis=0)),
                     "all_calls": spread(ns[1:])}}  # fmt: skip


_LOAD = """
import json, sys, time
import numba, numpy as np, scipy.linalg
from scalable.inference import compile_model, load_compiled
import scalable.inference.forest.compiled
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


def run_score(cache: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Score a Parquet dataset of 22 columns, 6 of text, with 300 trees x 63 leaves; beside it its two limits."""
    import psutil

    import data_gen
    from bench.reductions import CountRows
    from scalable import ParquetSource
    from scalable.boosting import LGBMClassifier
    from scalable.execution.reader import BlockReader
    from scalable.execution.reduction import run_reduction
    from scalable.execution.threads import Threads
    from scalable.models.predictors import load_model
    from scalable.scoring.predict_files import score

    home = cache / "fraud"
    if not (home / "m").exists():
        data_gen.generate("fraud", rows=3_000_000, out=home / "data", seed=0)
        data_gen.generate("fraud", rows=300_000, out=home / "train", seed=1)
        LGBMClassifier(n_estimators=300, num_leaves=63).fit(
            ParquetSource(home / "train", target="is_fraud")
        ).save(home / "m")
    predictor: Any = load_model(home / "m")  # a forest
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
        run_reduction(executor, CountRows(), reader)
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
