"""What micro-batching could win at most: rows of several requests predicted together, against what a request costs.

    python -m bench.serving.batching_numbers --out docs/results/serving_batching.json

A row alone is a dict's prediction, as the server makes it. Rows together take the block kernel over a matrix that is
there already: what gathers them, waits for them and encodes them is free here, so that the saving is the most that any
batching could reach. A request's own cost is the processor time that a bare echo of the same server takes for one.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.serving.servers import FEATURES, LEARNED, processor_seconds, running, train
from scalable.inference import compile_model, load_model
from scalable.report.document import new_results
from scalable.report.results import write_results
from scalable.serve.load import Target, offer

TOGETHER = (2, 4, 8, 16, 64)
RATE, CALLS, TURNS = 100.0, 200, 15


def forests(n_trees: int, folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield names and files of forests that take long for one row."""
    import lightgbm as lgb

    rng = np.random.default_rng(0)
    X = rng.normal(size=(LEARNED, FEATURES))
    score = X[:, 0] * X[:, 1] + np.sin(3 * X[:, 2]) + X[:, 3] + rng.normal(size=LEARNED)
    tenths = np.digitize(score, np.quantile(score, np.linspace(0.1, 0.9, 9)))
    kinds: dict[str, tuple[dict[str, Any], int, Any]] = {
        "255 leaves": ({"objective": "binary", "num_leaves": 255}, n_trees, score > 0),
        "10 classes of 63 leaves": (
            {"objective": "multiclass", "num_class": 10, "num_leaves": 63}, n_trees // 5, tenths
        ),
        "63 linear leaves": ({"objective": "regression", "num_leaves": 63, "linear_tree": True}, n_trees // 2, score),
    }  # fmt: skip
    for name, (params, n, y) in kinds.items():
        fast = {"learning_rate": 0.05, "verbose": -1, "num_threads": 1, "max_bin": 63}
        booster = lgb.train(params | fast, lgb.Dataset(X, np.asarray(y, float)), n)
        path = folder / f"{len(name)}.txt"
        booster.save_model(path)
        yield f"{n} x {name}", path


def _least(call: Any, calls: int) -> float:
    """Return microseconds of processor time a call, the least of some turns."""
    found = []
    for _ in range(TURNS):
        start = time.thread_time()
        for k in range(calls):
            call(k)
        found.append((time.thread_time() - start) * 1e6 / calls)
    return min(found)


def request_us(folder: Path, seconds: float) -> float:
    """Return the processor time of a request that is only echoed, in microseconds."""
    rows = train(folder / "forest.txt")
    with running("echo", folder / "forest.txt", rows[0]) as place:
        before = processor_seconds(place)
        found = offer(Target(place), rows, RATE, seconds)
        return float((processor_seconds(place) - before) * 1e6 / found["requests"])


def measure(n_trees: int, seconds: float) -> list[dict[str, Any]]:
    """Return a row a forest and number of rows together."""
    out = []
    with tempfile.TemporaryDirectory() as place:
        request = request_us(Path(place), seconds)
        X = np.random.default_rng(1).normal(size=(CALLS, FEATURES))
        for name, path in forests(n_trees, Path(place)):
            predictor: Any = load_model(path)
            compiled: Any = compile_model(path)
            rows = [dict(zip(predictor.needed, row.tolist(), strict=True)) for row in X]
            predictor.predict_one(rows[0])
            alone = _least(lambda k, p=predictor, r=rows: p.predict_one(r[k]), CALLS)
            for n in TOGETHER:
                block = np.ascontiguousarray(X[:n])
                compiled.predict(block)
                each = _least(lambda k, c=compiled, b=block: c.predict(b, n_threads=1), 10) / n
                saved = max(0.0, alone - each)
                out.append({
                    "forest": name, "rows_together": n, "alone_us": alone, "together_us": each, "request_us": request,
                    "share_saved_at_most": saved / (request + alone),
                })  # fmt: skip
                print({k: round(v, 3) if isinstance(v, float) else v for k, v in out[-1].items()}, flush=True)
    return out


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trees", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=20.0, help="of the echo")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    found = measure(options.trees, options.seconds)
    write_results(options.out, new_results("serving", {"batching": found}))


if __name__ == "__main__":
    main()
