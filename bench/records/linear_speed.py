"""How fast the linear learners train beside a bare scan of the same files and columns.

Rounds interleave what is compared, so that a machine whose speed drifts is the same for all; both elapsed
and processor time are kept, so that a busy machine can be told from slow code.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import data_gen
from bench.reductions import CountRows
from bench.suites.linear import Descent
from scalable import ParquetSource
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import run_reduction
from scalable.execution.threads import Threads
from scalable.linear import LogisticRegression

ROUNDS = 5
DATASETS = (("physics", "signal", "none"), ("physics", "signal", "lz4"), ("fraud", "is_fraud", "none"))


def speed(directory: Path, sizes: Sequence[int], seed: int) -> dict[str, list[dict[str, Any]]]:
    """Time fits, scans and the kernel.

    Parameters
    ----------
    directory : Path
        Where data are made, or found from an earlier run.
    sizes : sequence of int
        Rows.
    seed : int
        Of the data.

    Returns
    -------
    dict of list of dict
        Sections ``fits`` and ``kernel``.
    """
    fits = [_compared(directory, *dataset, rows, seed) for rows in sizes for dataset in DATASETS]
    return {"fits": fits, "kernel": _kernel()}


def _compared(
    directory: Path, name: str, target: str, compression: str, rows: int, seed: int
) -> dict[str, Any]:
    place = directory / f"{name}-{compression}-{rows}"
    if not (place / "manifest.json").exists():
        data_gen.generate(name, rows=rows, out=place, seed=seed, compression=compression)
    source = ParquetSource(place, target=target)
    works: dict[str, Callable[[], Any]] = {
        "scan": partial(scan, source),
        "readers": partial(run_reduction, Threads(), CountRows(), BlockReader(source)),
        "fit": partial(_fit, source, None),
        "fit_on_one_thread": partial(_fit, source, 1),
    }
    elapsed: dict[str, list[float]] = {what: [] for what in works}
    processor: dict[str, list[float]] = {what: [] for what in works}
    for turn in range(ROUNDS + 1):
        for what, work in works.items():
            start, used = time.perf_counter_ns(), time.process_time_ns()
            work()
            if turn:  # the first loads files and kernels
                elapsed[what].append((time.perf_counter_ns() - start) / rows)
                processor[what].append((time.process_time_ns() - used) / rows)
    found: dict[str, Any] = {"data": f"{name}, {compression}", "rows": rows}
    for what in works:
        found[f"{what}_ns_per_row"] = statistics.median(elapsed[what])
        found[f"{what}_processor_ns_per_row"] = statistics.median(processor[what])
    turns = zip(elapsed["scan"], elapsed["fit"], elapsed["fit_on_one_thread"], strict=True)
    ratios = [(a / b, c / b) for a, b, c in turns]
    found["scan_over_fit"] = statistics.median(a for a, _ in ratios)
    found["two_threads_over_one"] = statistics.median(b for _, b in ratios)
    return found


def scan(source: ParquetSource) -> int:
    """Decode all rows by one polars query, in order, and do nothing with them."""
    import polars as pl

    query = pl.scan_parquet(source.paths).select(source.needed)
    return sum(frame.height for frame in query.collect_batches(chunk_size=2**17, maintain_order=True))


def _fit(source: ParquetSource, workers: int | None) -> Any:
    return LogisticRegression(solver="sgd", n_workers=workers).fit(source)


def _kernel() -> list[dict[str, Any]]:
    """Time the descent kernel on a slice that stays in the second-level cache."""
    rows = []
    for loss in Descent.params[0]:
        suite = Descent()
        suite.setup(loss)
        ns = suite.track_slice(loss)
        rows.append({"loss": loss, "columns": 28, "ns_per_row": ns, "million_rows_per_s": 1e3 / ns})
    return rows
