"""How fast the linear learners train beside a bare scan of the same files and columns.

Rounds interleave what is compared, so that a machine whose speed drifts is the same for all; both elapsed
and processor time are kept, so that a busy machine can be told from slow code.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import data_gen
from bench.peers.linear import ours, scikit_learn, vowpal_wabbit
from bench.peers.task import Task, labels
from bench.reductions import CountRows
from bench.suites.linear import Descent
from scalable import ParquetSource
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import run_reduction
from scalable.execution.threads import Threads
from scalable.linear import LogisticRegression

ROUNDS = 5
DATASETS = (
    *(("physics", "signal", compression) for compression in ("none", "lz4", "snappy", "zstd")),
    ("fraud", "is_fraud", "none"),
    (
        "fraud",
        "is_fraud",
        "pandas",
    ),  # written again as pandas does by default: snappy, dictionaries, nullable
)
SMALL = (10**4, 10**5, 2 * 10**5, 5 * 10**5, 10**6, 4 * 10**6)


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
        Sections ``fits``, ``small`` and ``kernel``.
    """
    fits = [_compared(directory, *dataset, rows, seed) for rows in sizes for dataset in DATASETS]
    return {"fits": fits, "small": small(directory, seed), "kernel": _kernel()}


def _compared(
    directory: Path, name: str, target: str, compression: str, rows: int, seed: int
) -> dict[str, Any]:
    place = generated(directory, name, compression, rows, seed)
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
    found["two_processes_over_one"] = two_processes(place, target)
    found["two_threads_of_sums_over_one"] = two_threads_of_sums(source.paths)
    return found


def two_threads_of_sums(paths: Sequence[str], rounds: int = ROUNDS) -> float:
    """Return how many times as fast two threads add up the bytes of mapped files as one: how far memory itself goes.

    Each thread has every second piece of 2^23 bytes: far more than its turn for the interpreter's lock takes.
    """
    words = [np.memmap(path, np.uint64, "r", shape=(Path(path).stat().st_size // 8,)) for path in paths]
    pieces = [some[at : at + 2**20] for some in words for at in range(0, len(some), 2**20)]
    ratios = []
    with ThreadPoolExecutor(2) as pool:
        for turn in range(rounds + 1):
            taken = []
            for shares in ((pieces,), (pieces[::2], pieces[1::2])):
                start = time.perf_counter()
                for _ in pool.map(_add_up, shares):
                    pass
                taken.append(time.perf_counter() - start)
            if turn:  # the first brings the pages in
                ratios.append(taken[0] / taken[1])
    return statistics.median(ratios)


def _add_up(pieces: Sequence[NDArray[np.uint64]]) -> None:
    for piece in pieces:
        np.sum(piece)


def two_processes(place: Path, target: str, rounds: int = ROUNDS) -> float:
    """Return how many times as much two processes do side by side as one alone: what two processors can give at all.

    Each is kept on a processor of its own, and fits half of the shards on one thread. They share memory, caches beyond
    the second and the clock, but no interpreter and no lock, and merge nothing.
    """
    context = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        halves: list[Connection] = []
        for half in range(2):
            here, there = context.Pipe()
            worker = context.Process(target=_fit_half, args=(there, str(place), target, half), daemon=True)
            worker.start()
            stack.callback(worker.join)
            stack.callback(here.send, False)
            halves.append(here)

        def seconds(*asked: Connection) -> list[float]:
            for each in asked:
                each.send(True)
            return [each.recv() for each in asked]

        ratios = []
        for turn in range(rounds + 1):
            alone, beside = seconds(halves[0]) + seconds(halves[1]), seconds(*halves)
            if turn:  # the first loads files and kernels
                ratios.append(sum(a / b for a, b in zip(alone, beside, strict=True)))
    return statistics.median(ratios)


def _fit_half(pipe: Connection, place: str, target: str, half: int) -> None:
    """Fit every other shard whenever asked, and tell how long it took."""
    mine = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {mine[half % len(mine)]})
    source = ParquetSource(place, target=target)
    source = source.with_shards(source.shards[half::2])
    while pipe.recv():
        start = time.perf_counter()
        _fit(source, 1)
        pipe.send(time.perf_counter() - start)


def generated(
    directory: Path, name: str, compression: str, rows: int, seed: int, group: int | None = None
) -> Path:
    """Return a directory of generated rows, made when not there yet; those of "pandas" are written by it."""
    place = directory / f"{name}-{compression}-{rows}"
    if compression != "pandas":
        if not (place / "manifest.json").exists():
            data_gen.generate(
                name, rows=rows, out=place, seed=seed, compression=compression, row_group_rows=group
            )
        return place
    place.mkdir(parents=True, exist_ok=True)
    for path in ParquetSource(generated(directory, name, "none", rows, seed)).paths:
        again = place / Path(path).name
        if not again.exists():
            partial_file = again.with_suffix(".partial")
            pd.read_parquet(path).to_parquet(partial_file)
            partial_file.rename(again)
    return place


def small(directory: Path, seed: int) -> list[dict[str, Any]]:
    """Time fits of few rows, which must not take longer than those of more; sizes take turns."""
    sources = [
        ParquetSource(generated(directory, "physics", "none", rows, seed), target="signal") for rows in SMALL
    ]
    found: dict[int, list[float]] = {rows: [] for rows in SMALL}
    for turn in range(ROUNDS + 1):
        for rows, source in zip(SMALL, sources, strict=True):
            start = time.perf_counter()
            _fit(source, None)
            if turn:
                found[rows].append(time.perf_counter() - start)
    return [
        {"rows": rows, "seconds": statistics.median(times), "asked_seconds": 0.05 + 60e-9 * rows}
        for rows, times in found.items()
    ]


def scan(source: ParquetSource) -> int:
    """Decode all rows by one polars query, in order, and do nothing with them."""
    import polars as pl

    query = pl.scan_parquet(source.paths).select(source.needed)
    return sum(frame.height for frame in query.collect_batches(chunk_size=2**17, maintain_order=True))


def _fit(source: ParquetSource, workers: int | None) -> Any:
    return LogisticRegression(solver="sgd", n_workers=workers).fit(source)


def against(directory: Path, sizes: Sequence[int], seed: int) -> dict[str, list[dict[str, Any]]]:
    """Time one pass beside peers on `sizes[0]` rows, and Newton's passes beside scans on ``sizes[-1]``.

    Vowpal Wabbit starts from its own cache, scikit-learn's ``partial_fit`` is fed by pyarrow from a snappy file.
    """
    group = max(1, min(2**18, sizes[0] // 20))  # rows of a row group: so few that no shard cuts one
    found = [
        _beside(generated(directory, "physics", compression, sizes[0], seed, group), compression, rival)
        for compression, rival in (("none", vowpal_wabbit.Cache()), ("snappy", scikit_learn.PartialFit()))
    ]
    return {"peers": found, "newton": [_newton(directory, "lz4", sizes[-1], seed)]}


def log_loss(y: Any, p: Any) -> float:
    """Return the mean log loss of probabilities of class 1."""
    p = np.clip(np.asarray(p, np.float64), 1e-15, 1 - 1e-15)  # of floats, 1 - 1e-15 is 1
    return float(-np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)))


def _beside(data: Path, compression: str, rival: Any) -> dict[str, Any]:
    mine, seconds = ours.Descent(), {"ours": list[float](), "theirs": list[float](), "scan": list[float]()}
    rival.check()
    with tempfile.TemporaryDirectory() as scratch:
        task = Task("linear", 0, str(data), target="signal", threads=Threads().n_workers, scratch=scratch)
        rival.prepare(task)
        held_out, losses = task.held_out(), {}
        whole, rows = ParquetSource(data, target="signal"), task.source.n_rows
        for turn in range(ROUNDS + 1):
            for who, contender in (("ours", mine), ("theirs", rival)):
                if who == "theirs" and turn > 3:
                    continue  # minutes each
                start = time.perf_counter()
                model = contender.train(task)
                if turn:
                    seconds[who].append(time.perf_counter() - start)
                else:
                    losses[who] = log_loss(labels(held_out, "signal"), contender.predict(model, held_out))
            start = time.perf_counter()
            scan(whole)
            if turn:
                seconds["scan"].append((time.perf_counter() - start) * rows / whole.n_rows)
    medians = {who: statistics.median(times) for who, times in seconds.items()}
    return {
        "peer": f"{type(rival).__module__.rpartition('.')[2]}, {type(rival).__name__}",
        "compression": compression,
        "rows": rows,
        "our_seconds": medians["ours"],
        "their_seconds": medians["theirs"],
        "times_as_fast": medians["theirs"] / medians["ours"],
        "scan_seconds": medians["scan"],  # of as many rows
        "times_as_fast_as_a_scan": medians["theirs"] / medians["scan"],
        "our_log_loss": losses["ours"],
        "their_log_loss": losses["theirs"],
    }


def _newton(directory: Path, compression: str, rows: int, seed: int) -> dict[str, Any]:
    source = ParquetSource(generated(directory, "physics", compression, rows, seed), target="signal")
    ratios, passes = [], 0
    for turn in range(ROUNDS + 1):
        start = time.perf_counter()
        scan(source)
        scanned = time.perf_counter()
        passes = LogisticRegression(solver="newton").fit(source).n_iter_
        if turn:
            ratios.append((time.perf_counter() - scanned) / passes / (scanned - start))
    return {
        "data": f"physics, {compression}",
        "rows": rows,
        "passes": passes,
        "scans_a_pass": statistics.median(ratios),
    }


def _kernel() -> list[dict[str, Any]]:
    """Time the descent kernel on a slice that stays in the second-level cache."""
    rows = []
    for loss in Descent.params[0]:
        suite = Descent()
        suite.setup(loss)
        ns = suite.track_slice(loss)
        rows.append({"loss": loss, "columns": 28, "ns_per_row": ns, "million_rows_per_s": 1e3 / ns})
    return rows
