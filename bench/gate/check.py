"""Can the gate be trusted? A against a copy of itself, and against copies that were made slower on purpose."""

from __future__ import annotations

import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.gate.build import build
from bench.gate.calibrate import calibrate
from bench.gate.slowdown import SLOWDOWNS, inject
from bench.gate.turns import take_turns
from bench.gate.verdict import judge_all, most_alarms
from scalable.report.document import new_results
from scalable.report.results import write_results

SHARE = 0.2
FAR = 0.05  # a delivered slowdown further from what was asked for says nothing about the gate


def check(revision: str, runs: int, record: Path | None, share: float = SHARE) -> bool:
    """Run the checks, tell the result of each, and return whether all went as they must.

    A slowdown went as it must when it was flagged in its work and nowhere else, and was as large as asked for: both
    where it was calibrated and as the gate saw it.

    Parameters
    ----------
    revision : str
        What to build.
    runs : int
        A/A runs; none may flag anything.
    record : Path, optional
        Results document, written anew after each check, so that an interrupted run leaves what it found.
    share : float
        Size of the injected slowdowns.
    """
    rows: list[dict[str, Any]] = []

    def keep(row: dict[str, Any]) -> None:
        rows.append(row)
        sys.stdout.write(told(row))
        sys.stdout.flush()
        if record is not None:
            command = shlex.join(["python", "-m", "bench.gate", *sys.argv[1:]])
            sections = {"gate_check": rows, "error_rates": error_rates(rows)}
            write_results(record, new_results("gate check", sections, command=command))

    with tempfile.TemporaryDirectory(prefix="gate-") as folder:
        one = build(revision, Path(folder) / "one").directory
        shutil.copytree(one, Path(folder) / "two")
        for slowdown in SLOWDOWNS:
            loops, delivered = calibrate(one, slowdown, share)
            slow = Path(folder) / slowdown.work
            inject(one, slow, slowdown, loops)
            row = _one(one, slow, f"{slowdown.work} slowed by {share:.0%}", {slowdown.work})
            row |= {"asked": 1 + share, "delivered": 1 + delivered, "loops": loops}
            keep({**row, "as_it_must": row["as_it_must"] and delivered_well(row, slowdown.work)})
        for run in range(runs):
            keep(_one(one, Path(folder) / "two", f"A/A {run + 1}", set()))
    return all(row["as_it_must"] for row in rows)


def error_rates(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return how many comparisons of a commit with its copy there were, the false alarms, and what these bound."""
    alike = [row for row in rows if "asked" not in row]
    works = sum(value is not None for row in alike for key, value in row.items() if key.endswith(" ratio"))
    alarms = sum(len(row["flagged"].split(", ")) for row in alike if row["flagged"] != "nothing")
    slowed = [row for row in rows if "asked" in row]
    return {
        "comparisons": works, "false_alarms": alarms, "rate_at_most": most_alarms(alarms, works) if works else 1.0,
        "slowdowns": len(slowed), "slowdowns_found": sum(row["as_it_must"] for row in slowed),
    }  # fmt: skip


def delivered_well(row: dict[str, Any], work: str) -> bool:
    """Return whether a slowdown was near what was asked for, where it was calibrated and as the gate saw it."""
    found = row["delivered"], row[f"{work} ratio"]
    return all(ratio is not None and abs(ratio - row["asked"]) <= FAR for ratio in found)


def _one(base: Path, head: Path, name: str, expected: set[str]) -> dict[str, Any]:
    start = time.perf_counter()
    rows = judge_all(take_turns(base, head))
    flagged = {row["work"] for row in rows if row["verdict"] in ("slower", "faster")}
    ratios = {row["work"]: row.get("ratio") for row in rows}
    return {
        "check": name, "as_it_must": flagged == expected, "flagged": ", ".join(sorted(flagged)) or "nothing",
        "seconds": time.perf_counter() - start, **{f"{work} ratio": ratio for work, ratio in ratios.items()},
    }  # fmt: skip


def told(row: dict[str, Any]) -> str:
    """Return a row as a line for the terminal."""
    asked = f" (asked {row['asked']:.2f}, delivered {row['delivered']:.3f})" if "asked" in row else ""
    verdict = "as it must" if row["as_it_must"] else "WRONG"
    return f"{row['check']}{asked}: flagged {row['flagged']}: {verdict}\n"
