"""From a raw row to an answer, in the process: dicts, JSON and frames beside `predict_block`, in one run.

    scalable quickstart --out /tmp/quickstart
    python -m bench.records.serving_numbers /tmp/quickstart --out docs/results/serving_request.json

Rows are never repeated, and are made just before their turn, as a request's are. The ways take turns every hundred
rows, so that a busy moment meets all of them and each still finds its own code in the caches.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from scalable.data.parquet import ParquetSource
from scalable.data.table import TableSource
from scalable.inference import load_model
from scalable.report.document import new_results
from scalable.report.results import write_results

MODELS = ("lightgbm.model", "logistic.model")
FRAME_ROWS, TURN, WARM = 1000, 100, 20


def measure(model_path: Path, data: Path, n_rows: int) -> list[dict[str, Any]]:
    """Return p50, p99 and the ratio to today's way of each way, in microseconds a call."""
    model = load_model(model_path)
    source = ParquetSource(data, features=model.needed)
    raw = next(iter(source.raw_blocks(source.shards[0], model.needed)))
    table = pa.table({name: array[: n_rows + FRAME_ROWS] for name, array in raw.arrays.items()})
    rows: list[dict[str, Any]] = []
    texts: list[bytes] = []

    def before(k: int) -> Any:
        one = TableSource(pa.table({name: [rows[k][name]] for name in model.needed}))
        return model.predict_block(next(one.raw_blocks(one.shards[0], model.needed)))

    ways: dict[str, Callable[[int], Any]] = {
        "dict to Arrow, predict_block": before,
        "dict": lambda k: model.predict_one(rows[k]),
        "JSON": lambda k: model.predict_json(texts[k]),
    }
    taken = {name: np.empty(n_rows) for name in ways}
    for first in range(0, n_rows, TURN):
        rows += table.slice(first, min(TURN, n_rows - first)).to_pylist()
        texts += [json.dumps(row, default=str).encode() for row in rows[first:]]
        for name, way in ways.items():
            for k in range(first, min(first + TURN, n_rows)):
                start = time.perf_counter_ns()
                way(k)
                taken[name][k] = (time.perf_counter_ns() - start) / 1e3
    frame = table.slice(n_rows, FRAME_ROWS)
    starts = np.empty(WARM)
    for k in range(WARM):
        start = time.perf_counter_ns()
        model.predict(frame)
        starts[k] = (time.perf_counter_ns() - start) / 1e3 / frame.num_rows
    base = float(np.median(taken["dict to Arrow, predict_block"][WARM:]))
    found = [
        {
            "model": model_path.name,
            "request": name,
            "p50_us": float(np.median(times[WARM:])),
            "p99_us": float(np.percentile(times[WARM:], 99)),
            "times_as_fast": base / float(np.median(times[WARM:])),
        }
        for name, times in taken.items()
    ]
    a_row = {
        "model": model_path.name,
        "request": f"a row of {frame.num_rows:,}",
        "p50_us": float(np.median(starts)),
    }
    return [*found, a_row]


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("quickstart", type=Path, help="what `scalable quickstart --out` wrote")
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    found = [
        row
        for name in MODELS
        for row in measure(options.quickstart / name, options.quickstart / "data", options.rows)
    ]
    write_results(options.out, new_results("serving", {"requests": found}))
    for row in found:
        print({name: round(value, 2) if isinstance(value, float) else value for name, value in row.items()})


if __name__ == "__main__":
    main()
