"""From a raw row to an answer, in the process: dicts, JSON and frames beside `predict_block`, in one run.

    scalable quickstart --out /tmp/quickstart
    python -m bench.records.serving_numbers /tmp/quickstart --out docs/results/serving_request.json

Rows are never repeated, and are made just before their turn, as a request's are. The ways take turns every hundred
rows, so that a busy moment meets all of them and each still finds its own code in the caches. Frames of 1,000 rows, of
each library, stand beside the same rows encoded.
"""

from __future__ import annotations

import argparse
import functools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from scalable.data.block import RawBlock
from scalable.data.parquet import ParquetSource
from scalable.data.table import TableSource
from scalable.inference import load_model
from scalable.inference.request.frame_answers import PATIENCE
from scalable.models.linear import LinearModel
from scalable.models.links import apply_link
from scalable.report.document import new_results
from scalable.report.results import write_results

MODELS = ("lightgbm.model", "logistic.model")
FRAME_ROWS, TURN, WARM = 1000, 100, 20
FRAME_TURNS, FRAME_CALLS = 10, 20


def measure(model_path: Path, data: Path, n_rows: int) -> list[dict[str, Any]]:
    """Return p50, p99 and the ratio to the way by Arrow of each way, in microseconds a call."""
    model = load_model(model_path)
    source = ParquetSource(data, features=model.needed)
    raw = next(iter(source.raw_blocks(source.shards[0], model.needed)))
    table = pa.table({name: array[:n_rows] for name, array in raw.arrays.items()})
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
    base = float(np.median(taken["dict to Arrow, predict_block"][WARM:]))
    return [
        {
            "model": model_path.name,
            "request": name,
            "p50_us": float(np.median(times[WARM:])),
            "p99_us": float(np.percentile(times[WARM:], 99)),
            "times_as_fast": base / float(np.median(times[WARM:])),
        }
        for name, times in taken.items()
    ]


def frames_of(table: pa.Table) -> dict[str, Any]:
    """Return the same rows as each library has them."""
    import pandas as pd
    import polars as pl

    texts = pa.table(
        {
            name: column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
            for name, column in zip(table.column_names, table.columns, strict=True)
        }
    )
    coded = {"pandas, categorical": table.to_pandas(), "polars, categorical": pl.from_arrow(table)}
    assert isinstance(coded["pandas, categorical"], pd.DataFrame)
    return {
        "Arrow table, dictionaries": table,
        "Arrow table": texts,
        "Arrow batch": texts.combine_chunks().to_batches()[0],
        "polars": pl.from_arrow(texts),
        "pandas": texts.to_pandas(),
        **coded,
        "list of dicts": texts.to_pylist(),
    }


def measure_frames(model_path: Path, data: Path) -> list[dict[str, Any]]:
    """Return microseconds a row of a frame of each library, beside the encoded rows and the way by blocks."""
    model: Any = load_model(model_path)
    source = ParquetSource(data, features=model.needed)
    raw = next(iter(source.raw_blocks(source.shards[0], model.needed)))
    table = pa.table({name: array[:FRAME_ROWS] for name, array in raw.arrays.items()})
    whole = TableSource(table)
    block = next(whole.raw_blocks(whole.shards[0], model.needed))
    ways: dict[str, Callable[[], Any]] = {"encoded": _encoded(model, block)}
    for name, frame in frames_of(table).items():
        ways[name] = functools.partial(model.predict, frame)
    ways["Arrow table, by blocks"] = lambda: [model.predict_block(raw) for raw in model._blocks(table)]
    taken = {name: np.empty((FRAME_TURNS, FRAME_CALLS)) for name in ways}
    for _ in range(-(-PATIENCE // FRAME_ROWS)):  # after which kernels for frames are compiled
        model.predict(table)
    for turn in range(FRAME_TURNS):
        for name, way in ways.items():
            for k in range(-WARM, FRAME_CALLS):
                start = time.perf_counter_ns()
                way()
                if k >= 0:
                    taken[name][turn, k] = (time.perf_counter_ns() - start) / 1e3 / FRAME_ROWS
    base = float(np.median(taken["encoded"]))
    return [
        {
            "model": model_path.name,
            "frame": name,
            "p50_us_a_row": float(np.median(times)),
            "p99_us_a_row": float(np.percentile(times, 99)),
            "of_encoded": float(np.median(times)) / base,
        }
        for name, times in taken.items()
    ]


def _encoded(model: Any, block: RawBlock) -> Callable[[], Any]:
    """Return what predicts the encoded rows alone."""
    if isinstance(model, LinearModel):
        rows = model.encode(block)
        rows.columns  # noqa: B018 - made when first asked for
        return lambda: apply_link(model.link, model.scores(rows))
    matrix = np.ascontiguousarray(model.matrix(block), np.float64)
    return lambda: model.forest.predict(matrix)


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
    frames = [
        row
        for name in MODELS
        for row in measure_frames(options.quickstart / name, options.quickstart / "data")
    ]
    write_results(options.out, new_results("serving", {"requests": found, "frames": frames}))
    for row in [*found, *frames]:
        print({name: round(value, 2) if isinstance(value, float) else value for name, value in row.items()})


if __name__ == "__main__":
    main()
