"""Runs the stages of each size in order, journals what they cost, and goes on after a kill."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.billion.cluster import local_cluster
from bench.billion.stages import Stage, cluster_stages, leftovers, stages
from bench.billion.watch import Cost, end_orphan, watched
from scalable import progress
from scalable.errors import UsageError
from scalable.report.journal import Journal
from scalable.report.results import write_results

BYTES_PER_ROW = 37 + 9  # of data and predictions, measured
SEED = 0


def run(out: Path, sizes: Sequence[int], *, cluster_at: int = 0, trees: int = 300, keep: bool = False,
        resume: bool = True) -> dict[str, Any]:  # fmt: skip
    """Do the whole job at each size.

    Parameters
    ----------
    out : Path
        Directory for ``journal.jsonl``, ``results.json`` and a directory a size.
    sizes : sequence of int
        Rows, done in this order; the data of a finished size are removed unless `keep`.
    cluster_at : int
        The size at which the job is repeated on a Dask cluster of two processes; 0 for none.
    trees : int
        Trees of the forest.
    keep : bool
        Leave data, models and predictions of finished sizes.
    resume : bool
        Go on with what an interrupted run finished; a finished stage is not repeated.

    Returns
    -------
    dict
        The results document, of kind "billion".
    """
    journal = Journal(out / "journal.jsonl", "billion", SEED, resume=resume)
    wanted = {"sizes": list(sizes), "cluster_at": cluster_at, "trees": trees}
    if not journal.rows("setting"):
        journal.append("setting", wanted)
    elif journal.rows("setting")[0] != wanted:
        raise UsageError(
            f"{out}: was begun with {journal.rows('setting')[0]}, not {wanted}; choose another directory"
        )
    for rows in sizes:
        folder = out / f"{rows}"
        if not resume:
            shutil.rmtree(folder, ignore_errors=True)
        todo = [stage for stage in stages(rows, trees) if not _done(journal, rows, stage.name)]
        if todo:
            _check_disk(out, rows)
        for stage in todo:
            _one(journal, folder, rows, stage)
        if rows == cluster_at:
            _on_cluster(journal, folder, rows)
        if not keep:
            for name in ("data", "held_out", "scored", "scored_cluster"):
                shutil.rmtree(folder / name, ignore_errors=True)
    document = journal.document()
    write_results(out / "results.json", document)
    return document


def _done(journal: Journal, rows: int, name: str) -> bool:
    return any(row["size"] == rows and row["stage"] == name for row in journal.rows("stages"))


def _check_disk(out: Path, rows: int) -> None:
    free, need = shutil.disk_usage(out).free, rows * BYTES_PER_ROW
    here = sum(file.stat().st_size for file in (out / f"{rows}").rglob("*") if file.is_file())
    if free + here < need:
        raise UsageError(f"{out}: {rows:,} rows need {need / 1e9:.0f} GB, {free / 1e9:.0f} GB are free")


def _on_cluster(journal: Journal, folder: Path, rows: int, trees: int = 30) -> None:
    names = [stage.name for stage in cluster_stages(rows, "", trees)]
    if all(_done(journal, rows, name) for name in names):
        return
    with local_cluster(folder.resolve()) as cluster:
        for stage in cluster_stages(rows, cluster.address, trees):
            if not _done(journal, rows, stage.name):
                _one(journal, folder, rows, stage, cluster.pids)


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _one(journal: Journal, folder: Path, rows: int, stage: Stage, others: Sequence[int] = ()) -> None:
    """Run a stage; what a kill left of it is continued where the command can do that."""
    begun = folder.resolve() / f"{stage.name}.begun"
    again = begun.exists()
    end_orphan(begun)
    for path in leftovers(stage, folder):
        path.unlink(missing_ok=True)
    with progress.task(f"{rows:,} rows: {stage.name}", unit="stages"), _inside(folder):
        began = time.strftime("%H:%M:%S")
        log = Path("logs") / f"{stage.name}.log"
        log.unlink(missing_ok=True)
        cost = watched(stage.command(again), log, begun, others)
    journal.append("stages", {**_row(stage, cost, rows), "interrupted": again, "began": began,
                              "load": os.getloadavg()[0], **_found(folder, stage)})  # fmt: skip
    begun.unlink()


def _row(stage: Stage, cost: Cost, size: int) -> dict[str, Any]:
    return {
        "size": size,
        "stage": stage.name,
        "command": stage.shown,
        "rows": stage.rows,
        **cost.to_json(),
        "rows_per_second": stage.rows / cost.seconds,
        "most_seconds": stage.seconds,
        "most_memory_bytes": stage.memory,
    }


def _found(folder: Path, stage: Stage) -> dict[str, Any]:
    """Return what the stage itself reported: the quality of an evaluation, the output of a measurement."""
    if stage.module != "scalable":
        lines = (folder / "logs" / f"{stage.name}.log").read_text("utf-8").strip().splitlines()
        return {"reported": json.loads(lines[-1])}
    words = list(stage.arguments)
    document = json.loads((folder / words[words.index("--json") + 1]).read_text("utf-8"))
    kept = ("quality", "stages")
    return {key: document["sections"][key] for key in kept if key in document["sections"]}
