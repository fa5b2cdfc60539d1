"""What a contender's process does: warm up, the timed part, then what it was worth."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.peers.contender import Generator, Learner
from bench.peers.task import Task, labels, matrix
from bench.peers.versions import engine_versions, versions

QUALITY = ("auc", "average_precision", "log_loss", "brier")
TINY_ROWS = 20_000

Announce = Callable[[str], None]


@contextmanager
def timed(announce: Announce, row: dict[str, Any]) -> Iterator[None]:
    """Time the body into ``row["seconds"]``; whoever listens measures memory between the two words."""
    gc.collect()
    announce("timed")
    start = time.perf_counter()
    try:
        yield
    finally:
        row["seconds"] = time.perf_counter() - start
        announce("done")


def settle(files: list[str], cache: str) -> None:
    """Bring files into the page cache ("warm"), or put them out of it ("cold")."""
    for path in files:
        with open(path, "rb", buffering=0) as file:
            if cache == "cold":
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            else:
                while file.read(2**24):
                    pass


def learn(learner: Learner, task: Task, announce: Announce) -> dict[str, Any]:
    """Warm up on the tiny dataset, train on the real one, and judge the model on held-out rows."""
    from scalable.evaluate import evaluate_predictions

    row: dict[str, Any] = {"rows": task.source.n_rows, "cache": task.cache}
    learner.start(task)
    try:
        small = task.warm_up(Path(task.scratch) / "tiny")
        os.makedirs(small.scratch)
        learner.prepare(small)
        learner.predict(learner.train(small), small.held_out())
        start = time.perf_counter()
        learner.prepare(task)
        if type(learner).prepare is not Learner.prepare:
            row["prepare_seconds"] = time.perf_counter() - start
        settle(task.files, task.cache)
        with timed(announce, row):
            model = learner.train(task)
        held_out = task.held_out()
        p = learner.predict(model, held_out)
    finally:
        learner.close()
    if p is not None:
        report = evaluate_predictions(labels(held_out, task.target), p)
        row["quality"] = {name: report[name] for name in QUALITY}
        row["held_out_rows"] = held_out.num_rows
    return row


def generate(generator: Generator, task: Task, announce: Announce) -> dict[str, Any]:
    """Write a few rows to warm up, then all of them; what was written is counted, not believed."""
    import pyarrow.parquet as pq

    row: dict[str, Any] = {"cache": "written to the page cache"}
    folder = Path(task.scratch)
    for name in ("tiny", "rows"):
        (folder / name).mkdir()
    generator.start(task)
    try:
        generator.write(TINY_ROWS, folder / "tiny", task.threads)
        with timed(announce, row):
            generator.write(task.rows, folder / "rows", task.threads)
    finally:
        generator.close()
    written = sorted((folder / "rows").rglob("*.parquet"))
    footers = [pq.read_metadata(path) for path in written]
    row["rows"] = sum(footer.num_rows for footer in footers)
    row["columns"] = footers[0].num_columns
    row["bytes"] = sum(path.stat().st_size for path in written)
    return row


def infer(engine: str, task: Task, announce: Announce) -> dict[str, Any]:
    """Measure one engine in turns with LightGBM, on rows that are never repeated.

    In turns, because between two calls of a real server other work passes through the caches, too; with the
    same rival for all, so that the turns cost every engine alike.
    """
    from scalable.latency import latency

    text = Path(task.model).read_text("utf-8")
    x = matrix(task.held_out(), task.features, np.float64)
    rival = "lightgbm" if engine != "lightgbm" else "lightgbm-fast"
    row: dict[str, Any] = {"rows": len(x)}
    with timed(announce, row):
        measured = latency.measure(
            text, x, [engine, rival], single_rows=task.single_rows, batch_sizes=task.batch_sizes,
            repeats=task.batches, threads=(task.threads,), needed=engine,
        )  # fmt: skip
    found = [line for lines in measured.values() for line in lines if line.get("engine", engine) == engine]
    if absent := [line for line in found if line.get("status") == "absent"]:
        return absent[0]
    row["latency"] = found
    return row


def compete(entry: Any, task: Task, announce: Announce) -> dict[str, Any]:
    """Run one contender once; see `learn`, `generate` and `infer`.

    Raises
    ------
    Absent
        When it cannot run here.
    """
    scratch = Path(tempfile.mkdtemp(prefix="versus-", dir=task.scratch or None))
    task = replace(task, scratch=str(scratch))
    if entry.ours and task.job != "inference":
        task = task.as_it_is()
    try:
        if task.job == "inference":
            row = infer(entry.name, task, announce)
            known, threads, note = engine_versions(entry.name), task.threads, ""
        else:
            kind = entry.load()
            kind.check()
            threads = 1 if kind.one_thread else task.threads
            contender = kind()
            work: Any = generate if isinstance(contender, Generator) else learn
            row = work(contender, replace(task, threads=threads), announce)
            known, note = versions(kind.packages), kind.note
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return {
        "status": "ok", "threads": threads, "version": next(iter(known.values()), None), "versions": known,
        **({"note": note} if note else {}), **row,
    }  # fmt: skip
