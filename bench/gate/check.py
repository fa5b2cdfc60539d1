"""Can the gate be trusted? A against a copy of itself, and against a copy that was made slower on purpose."""

from __future__ import annotations

import itertools
import json
import os
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench.gate.build import build
from bench.gate.calibrate import calibrate
from bench.gate.slowdown import SLOWDOWNS, inject
from bench.gate.turns import take_turns
from bench.gate.verdict import judge_all, least_found, most_alarms
from scalable.errors import UsageError
from scalable.report.document import new_results
from scalable.report.results import write_results

SHARE = 0.05
FAR = 0.25  # of the share: a slowdown that was calibrated no better says nothing about the gate
ALARMS, FOUND = 1 / 1000, 0.95  # what is asked for
SLOWED = [slowdown.work for slowdown in SLOWDOWNS]


def check(
    revision: str,
    runs: int,
    slowed: int,
    record: Path | None,
    *,
    share: float = SHARE,
    resume: bool = False,
    at_once: int = 1,
) -> bool:
    """Run the checks, tell the result of each, and return whether the gate kept what it promises.

    It does when of a thousand comparisons of a work with itself at most one was flagged, and of a hundred works that
    were made slower by `share` at least 95.

    Parameters
    ----------
    revision : str
        What to build.
    runs : int
        Runs of the revision against a copy of itself: a comparison of each of the gate's works.
    slowed : int
        Runs against a copy in which every work of `SLOWDOWNS` was made slower: a comparison of each of these.
    record : Path, optional
        Results document, written anew after each run, so that an interrupted check leaves what it found.
    share : float
        Size of the injected slowdowns.
    resume : bool
        Go on with what `record` holds.
    at_once : int
        Runs side by side, each on a processor of its own. They then meet each other's use of memory and caches,
        which is noise like any other.

    Raises
    ------
    UsageError
        What `record` holds is of another commit or another share; a slowdown cannot be calibrated.
    """
    with tempfile.TemporaryDirectory(prefix="gate-") as folder:
        made = build(revision, Path(folder) / "one")
        one, two, slow = made.directory, Path(folder) / "two", Path(folder) / "slow"
        setting = {"commit": made.commit, "share": share}
        rows = kept(record, setting) if resume and record is not None else []

        def keep(row: dict[str, Any]) -> None:
            rows.append(row)
            sys.stdout.write(told(row))
            sys.stdout.flush()
            if record is not None:
                command = shlex.join(["python", "-m", "bench.gate", *sys.argv[1:]])
                sections = {
                    "gate_check": rows, "setting": setting, "error_rates": [error_rates(rows)],
                    "works": by_work(rows),
                }  # fmt: skip
                write_results(record, new_results("gate check", sections, command=command))

        shutil.copytree(one, two)
        shutil.copytree(one, slow)
        for slowdown in SLOWDOWNS if slowed else ():
            known = next((row for row in rows if row["check"] == f"calibrated {slowdown.work}"), None)
            if known is None:
                loops, delivered = calibrate(one, slowdown, share)
                if abs(delivered - share) > FAR * share:
                    raise UsageError(
                        f"{slowdown.work}: asked for a slowdown of {share:.1%}, calibrated {delivered:.1%}; "
                        "try again on a quieter machine"
                    )
                known = {"check": f"calibrated {slowdown.work}", "loops": loops, "delivered": 1 + delivered}
                keep(known)
            inject(slow, slowdown, known["loops"])
        todo: list[tuple[Path, Path, str, Sequence[str]]] = [
            *((one, slow, f"slowed {run + 1}", SLOWED) for run in range(count(rows, "slowed"), slowed)),
            *((one, two, f"A/A {run + 1}", ()) for run in range(count(rows, "A/A"), runs)),
        ]
        for row in _all(todo, at_once):
            keep(row)
    return trusted(error_rates(rows))


def kept(record: Path, setting: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows that a record holds of the same commit and share; none where there is no record."""
    if not record.is_file():
        return []
    sections = json.loads(record.read_text("utf-8")).get("sections", {})
    if sections.get("setting") != setting:
        raise UsageError(f"{record}: was made with {sections.get('setting')}, not {dict(setting)}")
    return list(sections["gate_check"])


def count(rows: Sequence[Mapping[str, Any]], kind: str) -> int:
    """Return how many runs of a kind there are: "A/A" or "slowed"."""
    return sum(row["check"].startswith(f"{kind} ") for row in rows)


def error_rates(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return how often the gate was wrong: comparisons and alarms of A/A runs, slowed works and those found.

    ``rate_at_most`` and ``found_at_least`` are the one-sided 95 % bounds of Clopper and Pearson. What is flagged as
    faster is as much an alarm as what is flagged as slower; a slowed work is found when it is flagged as slower.
    """
    alike = [row for row in rows if row["check"].startswith("A/A ")]
    compared = sum(ratio is not None for row in alike for ratio in row["ratios"].values())
    alarms = sum(len(row["slower"]) + len(row["faster"]) for row in alike)
    slowed = [row for row in rows if row["check"].startswith("slowed ")]
    injected = sum(row["ratios"].get(work) is not None for row in slowed for work in SLOWED)
    found = sum(work in row["slower"] for row in slowed for work in SLOWED)
    return {
        "comparisons": compared, "false_alarms": alarms,
        "rate_at_most": most_alarms(alarms, compared) if compared else 1.0,
        "slowdowns": injected, "slowdowns_found": found,
        "found_at_least": least_found(found, injected) if injected else 0.0,
    }  # fmt: skip


def by_work(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return, work by work, the comparisons with itself, the alarms, and the least and the most of the ratios."""
    alike = [row for row in rows if row["check"].startswith("A/A ")]
    found = []
    for work in dict.fromkeys(work for row in alike for work in row["ratios"]):
        ratios = [row["ratios"][work] for row in alike if row["ratios"].get(work) is not None]
        alarms = sum(work in (*row["slower"], *row["faster"]) for row in alike)
        spread = {"least": min(ratios), "most": max(ratios)} if ratios else {}
        found.append({"work": work, "comparisons": len(ratios), "false_alarms": alarms, **spread})
    return found


def trusted(rates: Mapping[str, Any]) -> bool:
    """Return whether the error rates found are those asked for; a check that compared nothing is not trusted."""
    if not rates["comparisons"] + rates["slowdowns"]:
        return False
    few = rates["false_alarms"] <= max(1.0, ALARMS * rates["comparisons"])
    return bool(few and rates["slowdowns_found"] >= FOUND * rates["slowdowns"])


def _all(todo: Sequence[tuple[Path, Path, str, Sequence[str]]], at_once: int) -> Iterator[dict[str, Any]]:
    """Yield what each run found, in order; processes that a thread starts stay on the processor it is held to."""
    if at_once == 1:
        yield from itertools.starmap(_one, todo)
        return
    processors = itertools.cycle(sorted(os.sched_getaffinity(0)))
    with ThreadPoolExecutor(at_once, initializer=lambda: os.sched_setaffinity(0, {next(processors)})) as pool:
        try:
            yield from pool.map(lambda each: _one(*each), todo)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _one(base: Path, head: Path, name: str, works: Sequence[str] = ()) -> dict[str, Any]:
    start = time.perf_counter()
    rows = judge_all(take_turns(base, head, works) if works else take_turns(base, head))
    of = {
        verdict: [row["work"] for row in rows if row["verdict"] == verdict]
        for verdict in ("slower", "faster")
    }
    ratios = {row["work"]: row.get("ratio") for row in rows}
    return {"check": name, **of, "ratios": ratios, "seconds": time.perf_counter() - start}


def told(row: Mapping[str, Any]) -> str:
    """Return a row as a line for the terminal."""
    if "loops" in row:
        return f"{row['check']}: {row['loops']} turns of the loop, {row['delivered']:.3f} of its time\n"
    flagged = [f"{work} {verdict}" for verdict in ("slower", "faster") for work in row[verdict]]
    return f"{row['check']}: flagged {', '.join(flagged) or 'nothing'} ({row['seconds']:.0f} s)\n"
