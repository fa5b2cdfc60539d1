"""Quality and speed of the linear learners on generated data: ``python -m bench.linear_numbers --out FILE``.

Speeds are processor time as well as elapsed time, so that a busy machine can be told from slow code.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import data_gen
from bench.suites.linear import Descent
from scalable import ParquetSource
from scalable.data.block import RawBlock
from scalable.execution.reader import BlockReader
from scalable.execution.rounds import run_fold
from scalable.execution.threads import Threads
from scalable.linear import LinearRegression, LogisticRegression, SGDRegressor
from scalable.report.results import new_results, write_results

REPEATS = 3
COMMAND = "python -m bench.linear_numbers --out docs/results/linear_quality.json"


class Count:
    """The bare scan: decodes every row and does nothing with it."""

    def init(self) -> int:
        """Return 0."""
        return 0

    def step(self, state: int, block: RawBlock) -> int:
        """Count rows."""
        return state + block.n_rows

    def merge(self, left: int, right: int) -> int:
        """Add."""
        return left + right

    def finish(self, state: int) -> int:
        """Return the count."""
        return state


def timed(work: Callable[[], Any], rows: int) -> dict[str, float]:
    """Return the least elapsed and processor nanoseconds a row of a few runs."""
    elapsed, processor = [], []
    for _ in range(REPEATS):
        start, used = time.perf_counter_ns(), time.process_time_ns()
        work()
        elapsed.append((time.perf_counter_ns() - start) / rows)
        processor.append((time.process_time_ns() - used) / rows)
    return {"elapsed_ns_per_row": min(elapsed), "processor_ns_per_row": min(processor)}


def targets(source: ParquetSource) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the target column."""
    name = str(source.target)
    parts = [np.asarray(b.arrays[name]) for shard in source.shards for b in source.raw_blocks(shard, [name])]
    return np.concatenate(parts).astype(np.float64)


def log_loss(y: Any, p: Any) -> float:
    """Return the mean log loss of probabilities of class 1."""
    p = np.clip(p, 1e-15, 1 - 1e-15)
    return float(-np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)))


def classification(directory: Path, rows: int, seed: int) -> list[dict[str, Any]]:
    """Compare one pass of descent with Newton's optimum on `physics`, and time it against the scan."""
    place = directory / "physics"
    data_gen.generate("physics", rows=rows, out=place, seed=seed)
    source = ParquetSource(place, target="signal")
    train, held_out = source.split(every=5)
    y = targets(held_out)
    newton = LogisticRegression(solver="newton").fit(train)
    descent = LogisticRegression(solver="sgd").fit(train)
    best = log_loss(y, newton.predict_proba(held_out)[:, 1])
    once = log_loss(y, descent.predict_proba(held_out)[:, 1])
    n = train.n_rows
    return [
        {"what": "physics: rows trained on", "value": n},
        {"what": "physics: passes of Newton with its warm start", "value": newton.n_iter_},
        {"what": "physics: held-out log loss, Newton", "value": best},
        {"what": "physics: held-out log loss, one pass of descent", "value": once},
        {"what": "physics: excess of one pass, relative", "value": once / best - 1},
        {"what": "physics: bare scan", **timed(lambda: run_fold(Threads(), Count(), BlockReader(train)), n)},
        {
            "what": "physics: fit by descent, profile included",
            **timed(lambda: LogisticRegression(solver="sgd").fit(train), n),
        },
    ]


def regression(directory: Path, rows: int, seed: int) -> list[dict[str, Any]]:
    """Compare one pass of descent with least squares on `regression`."""
    place = directory / "regression"
    data_gen.generate("regression", rows=rows, out=place, seed=seed)
    train, held_out = ParquetSource(place, target="target").split(every=5)
    y = targets(held_out)
    exact = float(np.mean((y - LinearRegression().fit(train).predict(held_out)) ** 2))
    once = float(np.mean((y - SGDRegressor(alpha=0.0).fit(train).predict(held_out)) ** 2))
    return [
        {"what": "regression: held-out squared error, least squares", "value": exact},
        {"what": "regression: held-out squared error, one pass of descent", "value": once},
        {"what": "regression: excess of one pass, relative", "value": once / exact - 1},
    ]


def kernel() -> list[dict[str, Any]]:
    """Time the descent kernel on a slice that stays in the second-level cache."""
    rows = []
    for loss in Descent.params[0]:
        suite = Descent()
        suite.setup(loss)
        rows.append({"what": f"kernel, {loss}, 28 columns", "elapsed_ns_per_row": suite.track_slice(loss)})
    return rows


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=1_500_000)
    parser.add_argument("--seed", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        found = classification(Path(scratch), options.rows, options.seed)
        found += regression(Path(scratch), options.rows, options.seed) + kernel()
    write_results(options.out, new_results("linear", {"linear": found}, seed=options.seed, command=COMMAND))


if __name__ == "__main__":
    main()
