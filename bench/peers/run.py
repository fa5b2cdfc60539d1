"""The side-by-side run: all contenders in turns, journalled, then summed up."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.peers.launch import Launch, launch
from bench.peers.own_data import prepare
from bench.peers.profiles import SEED, describe, profile_of, task_of
from bench.peers.registry import JOBS, contenders
from bench.peers.summary import sections
from bench.peers.task import Task
from bench.peers.turns import Schedule, turns
from scalable import progress
from scalable.errors import UsageError
from scalable.kernels.processors import available_processors
from scalable.report import render
from scalable.report.document import plain
from scalable.report.journal import Journal, refuse_others
from scalable.report.results import write_results, write_text

CACHES = ("warm", "cold")
JOBS_ON_DATA, OWN_ROWS = ("linear", "boosting", "inference"), 1_000_000


def run_versus(
    profile: str,
    jobs: Sequence[str] | None,
    out: Path,
    *,
    resume: bool = False,
    rounds: int | None = None,
    threads: int | None = None,
    limit: float | None = None,
    within: float | None = None,
    data: str | None = None,
    target: str | None = None,
    features: Sequence[str] | None = None,
    exclude: Sequence[str] = (),
    rows: int = OWN_ROWS,
) -> dict[str, Any]:
    """Run this project and its peers side by side.

    Parameters
    ----------
    profile : {"quick", "standard", "full"}
        Rows and repeats.
    jobs : sequence of str, optional
        Of "linear", "boosting", "inference" and "generation"; all by default.
    out : Path
        Directory for ``results.jsonl`` (every single run), ``results.json`` (written anew after each of them),
        ``report.html`` (at the end), ``tasks/`` and ``logs/``.
    resume : bool
        Keep the runs that an interrupted comparison finished, those of other jobs included. Without it, the
        journal of one begun here before is moved to ``previous.jsonl``.
    rounds : int, optional
        Times that each contender runs; by default as the profile says. More may be asked for on resuming.
    threads : int, optional
        Threads of each contender; by default the processors this process may use.
    limit : float, optional
        Seconds after which a run of a contender is ended and counts as failed; by default as the profile says.
    within : float, optional
        Seconds that the whole comparison may take; see `Schedule`. What it leaves out, `resume` can add.

    data, target, features, exclude, rows
        The user's own data instead of ours, as for `own_data.prepare`; all jobs but "generation" then.

    Returns
    -------
    dict
        The results document, of kind "versus".

    Notes
    -----
    ``SCALABLE_PEERS_PYTHON`` lists interpreters, separated by colons, where contenders absent here are tried;
    ``SCALABLE_VERSUS_CACHE=cold`` drops the files from the page cache before each timed part.
    """
    sizes, jobs = profile_of(profile), list(dict.fromkeys(jobs or (JOBS if data is None else JOBS_ON_DATA)))
    sizes = replace(sizes, repeats=rounds or sizes.repeats, timeout=limit or sizes.timeout)
    for job in jobs:
        contenders(job)  # an unknown one is refused before any work
    if data is not None and "generation" in jobs:
        raise UsageError("the job generation reads no data: leave it out, or DATA")
    cache = os.environ.get("SCALABLE_VERSUS_CACHE", "warm")
    if cache not in CACHES:
        raise UsageError(f"SCALABLE_VERSUS_CACHE={cache!r}: choose from {', '.join(CACHES)}")
    threads = threads or available_processors()
    setting = {
        "profile": profile, "threads": threads, "page cache": cache,
        "limit": f"{sizes.timeout:,.0f} s",
    }  # fmt: skip
    refuse_others(out, "results.jsonl", "previous.jsonl")
    if not resume and (out / "results.jsonl").is_file():  # hours, perhaps, and --resume forgotten
        os.replace(out / "results.jsonl", out / "previous.jsonl")
    journal = Journal(out / "results.jsonl", "versus", SEED, resume=resume)
    _continue_same(journal, "setting", setting, out)
    own = None if data is None else prepare(data, target or "", out / "data", rows, features, exclude)
    tasks = {job: _write_task(out, task_of(job, sizes, threads, cache, own)) for job in jobs}
    if own:
        _continue_same(journal, "dataset", own.about, out)
    elif made := next((task.data for task, _ in tasks.values() if task.data), None):
        _continue_same(journal, "dataset", describe(Path(made)), out)
    dataset = next(iter(journal.rows("dataset")), None)
    how = Launch(_pythons(), threads, sizes.timeout, out / "logs", out / "scratch")
    shutil.rmtree(how.scratch, ignore_errors=True)  # of a run that was killed
    schedule, asked = Schedule(journal.rows("runs"), within), list(turns(jobs, sizes.repeats))
    with progress.task("side by side", len(asked), "runs") as shown:
        for turn in asked:
            repeat, job, entry = turn
            if schedule.wanted(turn):
                task, path = tasks[job]
                known = {"job": job, "peer": entry.name, "ours": entry.ours, "repeat": repeat}
                if task.data and dataset:
                    known |= {"dataset": dataset["id"], "checksum": dataset["checksum"]}
                row = {**known, **launch(how, job, entry.name, path)}
                journal.append("runs", row)
                schedule.note(row)
                write_results(
                    out / "results.json", _document(journal, jobs, f"interrupted in repeat {repeat + 1}")
                )
            shown.advance(1, last=f"{job}: {entry.name}")
    left = schedule.left_out
    results = _document(
        journal, jobs, f"no time for {left} of the {len(asked)} turns asked for" if left else ""
    )
    shutil.rmtree(how.scratch, ignore_errors=True)
    write_results(out / "results.json", results)
    write_text(out / "report.html", render([results]))
    return results


def _document(journal: Journal, jobs: Sequence[str], unfinished: str) -> dict[str, Any]:
    """Return the results so far; `unfinished` says why they are not all."""
    results, runs = journal.document(), journal.rows("runs")
    known = list(dict.fromkeys([*(row["job"] for row in runs), *jobs]))
    entries = {job: contenders(job) for job in known}
    dataset, setting = journal.rows("dataset"), journal.rows("setting")[0]
    results["sections"] = {
        **({"dataset": dataset[0]} if dataset else {}),
        **sections(runs, entries),
        "setting": {
            **setting,
            "repeats": _repeats(runs),
            **({"unfinished": unfinished} if unfinished else {}),
        },
    }
    return results


def _repeats(runs: Sequence[dict[str, Any]]) -> str:
    """Return how often contenders ran, such as ``5`` or ``1 to 3``."""
    times: dict[tuple[str, str], int] = {}
    for row in runs:
        if row["status"] == "ok":
            times[row["job"], row["peer"]] = times.get((row["job"], row["peer"]), 0) + 1
    found = sorted(set(times.values()))
    return "0" if not found else str(found[0]) if len(found) == 1 else f"{found[0]} to {found[-1]}"


def _pythons() -> list[str]:
    others = os.environ.get("SCALABLE_PEERS_PYTHON", "").split(os.pathsep)
    return [sys.executable, *(path for path in others if path)]


def _write_task(out: Path, task: Task) -> tuple[Task, Path]:
    path = out / "tasks" / f"{task.job}.json"
    write_text(path, json.dumps(task.to_json(), indent=1) + "\n")
    return task, path


def _continue_same(journal: Journal, what: str, now: dict[str, Any], out: Path) -> None:
    """Note a setting or dataset in a journal that has none; refuse to continue one of another."""
    begun = journal.rows(what)
    if not begun:
        journal.append(what, now)
    elif begun[0] != plain(now):
        keys = [key for key in {**begun[0], **now} if begun[0].get(key) != plain(now).get(key)]
        was, new = ({key: side.get(key) for key in keys} for side in (begun[0], now))
        raise UsageError(
            f"{out}: was begun with the {what} {was}, not {new}; use the same or another directory, or drop --resume"
        )
