"""Runs the stages of each size in order, journals what they cost, and goes on after a kill."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bench.billion.cluster import local_cluster
from bench.billion.record import written_sections
from bench.billion.stages import Stage, cluster_stages, held_out_rows, stages
from bench.billion.watch import Cost, StageError, end_orphan, watched
from scalable import progress
from scalable.errors import UsageError
from scalable.report.environment import git_commit
from scalable.report.journal import Journal, refuse_others
from scalable.report.results import write_results

DATA, PREDICTIONS, BINS = 37, 9, 60  # bytes a row, measured; bins are a temporary file of the rows in memory
ROTATED_ROWS = 1 << 24
SEED = 0


def run(out: Path, sizes: Sequence[int], *, cluster_at: int = 0, trees: int = 400, keep: bool = False,
        resume: bool = True, mended: bool = False) -> dict[str, Any]:  # fmt: skip
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
        Leave data and predictions of finished sizes.
    resume : bool
        Go on with what an interrupted run finished; a finished stage is not repeated.
    mended : bool
        Go on although the commit is another; every run of a stage tells its own.

    Returns
    -------
    dict
        The results document, of kind "billion"; its sections are those of `written_sections`.

    Raises
    ------
    StageError
        At the end, when stages failed; what did not need them was done, and the same call tries them again.
    UsageError
        When `out` was begun otherwise, or the disk is too small.
    """
    out = out.resolve()  # whatever the current directory will be
    refuse_others(out, "journal.jsonl")
    journal = Journal(out / "journal.jsonl", "billion", SEED, _command(sizes, cluster_at, trees), resume=resume,
                      may_differ=("git_commit",) if mended else ())  # fmt: skip
    wanted = {"sizes": list(sizes), "cluster_at": cluster_at, "trees": trees}
    if not journal.rows("setting"):
        journal.append("setting", wanted)
    elif journal.rows("setting")[0] != wanted:
        raise UsageError(
            f"{out}: was begun with {journal.rows('setting')[0]}, not {wanted}; choose another directory"
        )
    problems: list[str] = []
    for rows in sizes:
        folder = out / f"{rows}"
        if not resume:
            shutil.rmtree(folder, ignore_errors=True)
        failed = _at_size(journal, folder, rows, trees, cluster=rows == cluster_at)
        if not keep and not failed:
            for name in ("data", "held_out", "scored", "scored_cluster", "tmp", "dask"):
                shutil.rmtree(folder / name, ignore_errors=True)
        problems += failed
    if problems:
        raise StageError("\n\n".join(problems))
    return _document(journal)


def _command(sizes: Sequence[int], cluster_at: int, trees: int) -> str:
    words = ",".join(str(rows) for rows in sizes)
    return f"python -m bench.billion --rows {words} --cluster-at {cluster_at} --trees {trees}"


def _document(journal: Journal) -> dict[str, Any]:
    """Write and return the results so far, so that an unfinished job can be looked at, too."""
    document = journal.document()
    document["sections"] |= written_sections(document["sections"].get("runs", []))
    write_results(journal.path.with_name("results.json"), document)
    return document


def _at_size(journal: Journal, folder: Path, rows: int, trees: int, cluster: bool) -> list[str]:
    """Do what is left to do at one size; return what failed."""
    todo = [stage for stage in stages(rows, trees) if not _done(journal, rows, stage.name)]
    repeated = [stage.name for stage in cluster_stages(rows, "", trees)] if cluster else []
    repeated = [name for name in repeated if not _done(journal, rows, name)]
    if todo or repeated:
        check_disk(folder, rows, on_cluster=bool(repeated))
    problems = _each(journal, folder, rows, todo)
    if not repeated:
        return problems
    _empty(folder / "tmp")
    try:
        with local_cluster(folder) as running:
            again = [s for s in cluster_stages(rows, running.address, trees) if s.name in repeated]
            problems += _each(journal, folder, rows, again, running.pids)
    except StageError as error:
        problems.append(f"{rows:,} rows, the cluster: {error}")
    return problems


def _each(
    journal: Journal, folder: Path, rows: int, todo: Iterable[Stage], others: Sequence[int] = ()
) -> list[str]:
    problems = []
    for stage in todo:
        lacking = [name for name in stage.needs if not _done(journal, rows, name)]
        if lacking:
            problems.append(f"{rows:,} rows, {stage.name}: left out, for it needs {', '.join(lacking)}")
            continue
        try:
            _one(journal, folder, rows, stage, others)
        except StageError as error:
            problems.append(f"{rows:,} rows, {stage.name}: {error}")
            print(problems[-1], file=sys.stderr, flush=True)  # at once; whoever watches may mend it meanwhile
        _document(journal)
    return problems


def _done(journal: Journal, rows: int, name: str) -> bool:
    return any(row["size"] == rows and row["stage"] == name for row in journal.rows("runs"))


def check_disk(folder: Path, rows: int, *, on_cluster: bool) -> None:
    """Raise `UsageError` unless data, predictions and temporary files of a size have room."""
    need = (rows + held_out_rows(rows)) * DATA + rows * PREDICTIONS
    need += (PREDICTIONS + BINS) * rows if on_cluster else BINS * min(rows, ROTATED_ROWS)
    here = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    free = shutil.disk_usage(folder.parent).free
    if free + here < need:
        raise UsageError(
            f"{folder.parent}: {rows:,} rows need {need / 1e9:.1f} GB, {free / 1e9:.1f} GB are free"
        )


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)


def _one(journal: Journal, folder: Path, rows: int, stage: Stage, others: Sequence[int]) -> None:
    """Run a stage; what a kill left of it is continued where the command can do that."""
    begun, log = folder / f"{stage.name}.begun", folder / "logs" / f"{stage.name}.log"
    again = begun.exists()
    end_orphan(begun)
    log.unlink(missing_ok=True)
    if not others:  # a running cluster has its own files there
        _empty(folder / "tmp")
    with progress.task(f"{rows:,} rows: {stage.name}", unit="stages"):
        began = time.strftime("%H:%M:%S")
        cost = watched(stage.command(again), log, begun, others)
    journal.append("runs", {**_row(stage, cost, rows), "interrupted": again, "began": began,
                            "load": os.getloadavg()[0], "git_commit": git_commit(),
                            **_found(folder, log, stage)})  # fmt: skip
    begun.unlink()
    if not sys.stderr.isatty():  # where no progress is shown
        line = f"{time.strftime('%H:%M:%S')} {rows:,} rows: {stage.name} {cost.seconds:,.1f} s"
        print(f"{line}, {cost.peak_memory_bytes / 2**20:,.0f} MiB", file=sys.stderr, flush=True)


def _row(stage: Stage, cost: Cost, size: int) -> dict[str, Any]:
    return {
        "size": size,
        "stage": stage.name,
        "command": stage.shown,
        "rows": stage.rows,
        **cost.to_json(),
        "most_seconds": stage.seconds,
        "most_memory_bytes": stage.memory,
    }


def _found(folder: Path, log: Path, stage: Stage) -> dict[str, Any]:
    """Return what the stage itself reported, if it did: the work was done, whatever became of its report."""
    words = list(stage.arguments)
    if "--json" not in words:
        return {"reported": _last_object(log)}
    try:
        document = json.loads((folder / words[words.index("--json") + 1]).read_text("utf-8"))
        sections = document["sections"]
    except (OSError, ValueError, KeyError):
        return {}
    quality = [
        {k: v for k, v in row.items() if not isinstance(v, list)} for row in sections.get("quality", [])
    ]
    seconds = sum(part["seconds"] for part in sections.get("stages", []))
    return {**({"quality": quality} if quality else {}), **({"work_seconds": seconds} if seconds else {})}


def _last_object(log: Path) -> dict[str, Any] | None:
    """Return the last line of a log that is a JSON object; libraries may have said something after it."""
    for line in reversed(log.read_text("utf-8", "replace").splitlines()):
        if line.startswith("{"):
            try:
                return dict(json.loads(line))
            except ValueError:
                continue
    return None
