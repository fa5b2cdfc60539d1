"""From what a caller holds to the answer: a dict, JSON, a frame, a process just started, several threads at once.

The tables of engines time encoded rows; what a request costs is that and the way there.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from scalable import progress
from scalable.inference.request.json import encode_row
from scalable.latency import engines as registry
from scalable.latency.timing import summary

DICTS, FRAMES, FRAME_ROWS, STARTS, SECONDS = 400, 20, 1000, 3, 0.5
_OURS = """
import time; start = time.perf_counter()
import sys
from scalable.inference import load_model
from scalable.data.parquet import ParquetSource
model = load_model(sys.argv[1])
source = ParquetSource(sys.argv[2], features=model.needed)
raw = next(iter(source.raw_blocks(source.shards[0], model.needed)))
model.predict_block(raw)
print(time.perf_counter() - start)
"""
_LIGHTGBM = """
import time; start = time.perf_counter()
import sys
import lightgbm, numpy
booster = lightgbm.Booster(model_str=open(sys.argv[1]).read())
booster.predict(numpy.zeros((1, booster.num_feature())))
print(time.perf_counter() - start)
"""


def _timed(calls: Sequence[Callable[[], Any]], rows: int) -> dict[str, Any]:
    """Return the statistics of calls, each made once; the first tenth warms up."""
    ns = np.empty(len(calls), np.int64)
    for i, call in enumerate(calls):
        start = time.perf_counter_ns()
        call()
        ns[i] = time.perf_counter_ns() - start
    figures = summary(ns[len(calls) // 10 :], rows)
    figures.pop("quantiles_us", None)
    return figures


def _rows_of(path: Any, data: str, limit: int) -> tuple[Any, Any]:
    """Return a model's predictor and the first rows of a dataset as an Arrow table of its raw columns."""
    import pyarrow as pa

    from scalable.data.parquet import ParquetSource
    from scalable.models.predictors import load_model

    predictor = load_model(path)
    source = ParquetSource(data, features=predictor.needed)
    parts: list[Any] = []
    for shard in source.shards:
        blocks = source.raw_blocks(shard, predictor.needed)
        parts += [pa.table({name: raw.arrays[name] for name in predictor.needed}) for raw in blocks]
        if sum(part.num_rows for part in parts) >= limit:
            break
    return predictor, pa.concat_tables(parts, promote_options="permissive")[:limit].combine_chunks()


def _numbers(table: Any) -> bool:
    """Return whether all columns are such that a Booster takes their pandas frame as it is."""
    from pyarrow import types

    kinds = (types.is_integer, types.is_floating, types.is_boolean)
    return all(any(kind(column) for kind in kinds) for column in table.schema.types)


def _texts(dicts: list[dict[str, Any]]) -> list[bytes]:
    """Return rows as JSON, none where a column has no form in it; what is not finite is missing."""
    try:
        return [encode_row(one) for one in dicts]
    except (TypeError, ValueError):
        return []


def _asks(facts: Any, frame: Any) -> tuple[str, Callable[[Any], Any]]:
    """Return what people would write instead of our predictor: its name, and a function of a frame like `frame`."""
    if isinstance(facts, registry.ForestModel):
        booster: Any = registry.build("lightgbm", facts)
        return "pandas, Booster.predict", partial(booster._booster.predict, num_threads=1)
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline

    engine: Any = registry.build("scikit-learn", facts)
    chosen = make_column_transformer(("passthrough", list(frame.columns))).fit(frame)
    pipeline = make_pipeline(chosen, engine.estimator)
    ask = pipeline.predict if facts.link == "identity" else pipeline.predict_proba
    return "pandas, scikit-learn's pipeline", ask


def _pandas(
    facts: Any, dicts: list[dict[str, Any]], frames: list[Any]
) -> list[tuple[str, str, dict[str, Any]]]:
    """Return what the same requests cost by pandas and the library that people use."""
    try:
        import pandas as pd
    except ImportError:
        return []
    whole = [frame.to_pandas() for frame in frames]
    name, ask = _asks(facts, whole[0])

    def from_dict(one: dict[str, Any]) -> Any:
        return ask(pd.DataFrame([one]))

    return [
        ("dict", name, _timed([partial(from_dict, one) for one in dicts], 1)),
        (f"frame of {len(whole[0]):,}", name, _timed([partial(ask, one) for one in whole], len(whole[0]))),
    ]


def _in_parallel(
    predict_one: Callable[[np.ndarray], Any], rows: list[np.ndarray], n_threads: int
) -> dict[str, Any]:
    """Return how many single rows a second `n_threads` threads get answered together."""
    done, until = [0] * n_threads, time.perf_counter() + SECONDS

    def ask(k: int) -> None:
        at = k
        while time.perf_counter() < until:
            predict_one(rows[at % len(rows)])
            at += n_threads
            done[k] += 1

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(n_threads)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"rows_per_second": sum(done) / (time.perf_counter() - start), "calls": sum(done)}


def _cold(code: str, *arguments: str) -> dict[str, Any]:
    """Return the time of a fresh process from its first line to its first answer, the least of a few starts."""
    taken = []
    for _ in range(STARTS):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
        )
        if done.returncode:
            return {"message": (done.stderr.strip().splitlines() or ["it failed"])[-1][:100]}
        taken.append(float(done.stdout.split()[-1]))
    return {"p50_us": 1e6 * float(np.median(taken)), "calls": STARTS}


def measure_requests(path: Any, facts: Any, X: np.ndarray, data: str) -> list[dict[str, Any]]:
    """Measure a model from raw requests to answers, beside LightGBM where its text is known.

    Parameters
    ----------
    path : path
        As for ``load_model``.
    facts : ForestModel or LinearFacts
    X : float64 (n_rows, n_features)
        Encoded rows.
    data : str
        The dataset.

    Returns
    -------
    list of dict, ready for JSON
        request, engine, calls, and p50_us ... or rows_per_second; ``message`` where it cannot be measured.
    """
    names = (
        ("scalable", "lightgbm") if isinstance(facts, registry.ForestModel) else ("linear", "scikit-learn")
    )
    predictor, table = _rows_of(path, data, FRAMES * FRAME_ROWS)
    dicts = table[:DICTS].to_pylist()
    starts = range(0, max(1, len(table) - FRAME_ROWS + 1), FRAME_ROWS)
    frames = [table[at : at + FRAME_ROWS] for at in starts]
    found: list[dict[str, Any]] = []

    def note(request: str, engine: str, figures: dict[str, Any]) -> None:
        found.append({"request": request, "engine": engine, **figures})

    with progress.task("latency, requests", total=4, unit="kinds") as shown:
        predictor.predict_one(dicts[0])
        note("dict", "load_model", _timed([partial(predictor.predict_one, one) for one in dicts], 1))
        texts = _texts(dicts)
        if texts:
            predictor.predict_json(texts[0])
            note("JSON", "load_model", _timed([partial(predictor.predict_json, one) for one in texts], 1))
        calls = [partial(predictor.predict, one) for one in frames]
        note(f"frame of {len(frames[0]):,}", "load_model", _timed(calls, len(frames[0])))
        of_text = getattr(facts, "text", None) is not None
        if isinstance(facts, registry.LinearFacts):
            plain = table.num_columns == facts.coef.shape[1] and _numbers(table)
        else:
            plain = of_text and table.column_names == facts.feature_names and _numbers(table)
            # Of pandas' categories it takes no numbers.
            plain = plain and not getattr(predictor, "levels", None)
        for request, other, figures in _pandas(facts, dicts, frames) if plain else ():
            note(request, other, figures)
        shown.advance(2)
        rows = list(X[:5000])
        for name in names:
            try:
                engine = registry.build(name, facts)
            except registry.Absent:
                continue  # its reason stands in the table of engines
            for threads in (1, 2):
                note(f"{threads} thread{'s' * (threads > 1)}, one row each", name,
                     _in_parallel(engine.predict_one, rows, threads))  # fmt: skip
        shown.advance(1)
        note("cold start, to the first answer", "load_model", _cold(_OURS, os.fspath(path), data))
        if plain and of_text and os.path.isfile(path):
            note("cold start, to the first answer", "Booster.predict", _cold(_LIGHTGBM, os.fspath(path)))
        shown.advance(1)
    return found
