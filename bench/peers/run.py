"""The side-by-side run: all contenders in turns, journalled, then summed up."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.peers.launch import Launch, launch
from bench.peers.profiles import SEED, Profile, describe, profile_of, task_of
from bench.peers.registry import JOBS, Entry, contenders
from bench.peers.summary import sections
from bench.peers.task import Task
from scalable import progress
from scalable.errors import UsageError
from scalable.kernels.processors import available_processors
from scalable.report import render
from scalable.report.journal import Journal
from scalable.report.results import write_results, write_text

CACHES = ("warm", "cold")


def run_versus(
    profile: str,
    jobs: Sequence[str] | None,
    out: Path,
    *,
    resume: bool = False,
    rounds: int | None = None,
    threads: int | None = None,
) -> dict[str, Any]:
    """Run this project and its peers side by side.

    Parameters
    ----------
    profile : {"quick", "standard", "full"}
        Rows and repeats.
    jobs : sequence of str, optional
        Of "linear", "boosting", "inference" and "generation"; all by default.
    out : Path
        Directory for ``results.jsonl`` (every single run), ``results.json``, ``report.html``, ``tasks/`` and
        ``logs/``.
    resume : bool
        Keep the runs that an interrupted comparison finished.
    rounds : int, optional
        Times that each contender runs; by default as the profile says. More may be asked for on resuming.
    threads : int, optional
        Threads of each contender; by default the processors this process may use.

    Returns
    -------
    dict
        The results document, of kind "versus".

    Notes
    -----
    ``SCALABLE_PEERS_PYTHON`` lists interpreters, separated by colons, where contenders absent here are tried;
    ``SCALABLE_VERSUS_CACHE=cold`` drops the files from the page cache before each timed part.
    """
    sizes, jobs = profile_of(profile), list(dict.fromkeys(jobs or JOBS))
    if rounds is not None:
        sizes = replace(sizes, repeats=rounds)
    for job in jobs:
        contenders(job)  # an unknown one is refused before any work
    cache = os.environ.get("SCALABLE_VERSUS_CACHE", "warm")
    if cache not in CACHES:
        raise UsageError(f"SCALABLE_VERSUS_CACHE={cache!r}: choose from {', '.join(CACHES)}")
    threads = threads or available_processors()
    journal = Journal(out / "results.jsonl", "versus", SEED, resume=resume)
    _continue_same(journal, {"profile": profile, "threads": threads, "cache": cache}, out)
    tasks = {job: _write_task(out, task_of(job, sizes, threads, cache)) for job in jobs}
    data = next((task.data for task, _ in tasks.values() if task.data), None)
    dataset = describe(Path(data)) if data else None
    how = Launch(_pythons(), threads, sizes.timeout, out / "logs")
    turns = list(_turns(jobs, sizes))
    done = {(row["job"], row["peer"], row["repeat"]) for row in journal.rows("runs")}
    ended = {(row["job"], row["peer"]) for row in journal.rows("runs") if row["status"] != "ok"}
    with progress.task("side by side", len(turns), "runs") as shown:
        for repeat, job, entry in turns:
            if (job, entry.name, repeat) not in done and (job, entry.name) not in ended:
                task, path = tasks[job]
                row = launch(how, job, entry.name, path)
                known = {"job": job, "peer": entry.name, "ours": entry.ours, "repeat": repeat}
                if task.data and dataset:
                    known |= {"dataset": dataset["id"], "checksum": dataset["checksum"]}
                journal.append("runs", {**known, **row})
                if row["status"] != "ok":
                    ended.add((job, entry.name))
            shown.advance(1, last=f"{job}: {entry.name}")
    results = journal.document()
    results["sections"] = {
        **({"dataset": dataset} if dataset else {}),
        **sections(journal.rows("runs")),
        "setting": {"profile": profile, "threads": threads, "repeats": sizes.repeats, "page cache": cache},
    }
    write_results(out / "results.json", results)
    write_text(out / "report.html", render([results]))
    return results


def _turns(jobs: Sequence[str], sizes: Profile) -> Iterator[tuple[int, str, Entry]]:
    """Yield every run; each repeat begins with another contender, so that none has the best place always."""
    for repeat in range(sizes.repeats):
        for job in jobs:
            entries = contenders(job)
            for place in range(len(entries)):
                yield repeat, job, entries[(place + repeat) % len(entries)]


def _pythons() -> list[str]:
    others = os.environ.get("SCALABLE_PEERS_PYTHON", "").split(os.pathsep)
    return [sys.executable, *(path for path in others if path)]


def _write_task(out: Path, task: Task) -> tuple[Task, Path]:
    path = out / "tasks" / f"{task.job}.json"
    write_text(path, json.dumps(task.to_json(), indent=1) + "\n")
    return task, path


def _continue_same(journal: Journal, setting: dict[str, Any], out: Path) -> None:
    """Note the setting in a new journal; refuse to continue one of another setting."""
    begun = journal.rows("setting")
    if not begun:
        journal.append("setting", setting)
    elif begun[0] != setting:
        raise UsageError(
            f"{out}: was begun with {begun[0]}, not {setting}; use the same or another directory, or drop --resume"
        )
