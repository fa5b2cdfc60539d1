"""One row over HTTP, keep-alive, server and generator on a processor each: capacity, and latency at shares of it.

    pip install '.[serve,peers]'
    python -m bench.serving.http_numbers --out docs/results/serving_http.json

Ours and a bare echo of the same server are held against each other at half of our capacity, ours and FastAPI at 80% of
FastAPI's; uvicorn and Granian serve the same two applications. Turns alternate, so that a busy moment meets both.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

from bench.serving.servers import NAMES, NEEDS, NotStartedError, absent, running, train
from scalable.report.document import new_results
from scalable.report.results import write_results
from scalable.serve.load import QUANTILES, Target, kept_up, offer, ramp

FIRST_RATE, STEP_SECONDS, TURNS, BISECTIONS = 200.0, 2.0, 3, 4
Rows = list[dict[str, float]]


def capacity(target: Target, rows: Rows, seconds: float) -> float:
    """Return the most answers a second of a ramp's steps that the server kept up with."""
    steps = ramp(target, rows, FIRST_RATE, seconds)
    if len(steps) == 1:
        steps = ramp(target, rows, FIRST_RATE / 16, seconds)
    good = [step for step in steps if kept_up(step)]
    if not good or len(good) == len(steps):
        return max((step["answered_per_second"] for step in good), default=0.0)
    most, too_much = good[-1], steps[len(good)]["rate"]
    for turn in range(BISECTIONS):  # a ramp's steps are two fifths apart
        step = offer(target, rows, (most["rate"] + too_much) / 2, seconds, turn)
        most, too_much = (step, too_much) if kept_up(step) else (most, step["rate"])
    return float(most["answered_per_second"])


def at_rate(
    targets: dict[str, Target], rows: Rows, rate: float, seconds: float, what: str
) -> list[dict[str, Any]]:
    """Return the middle of some turns of each server at one rate."""
    turns: dict[str, list[dict[str, Any]]] = {name: [] for name in targets}
    for turn in range(TURNS):
        for name, target in targets.items():
            turns[name].append(offer(target, rows, rate, seconds, turn))
    found = []
    for name, each in turns.items():
        middle = {q: sorted(turn[q] for turn in each)[TURNS // 2] for q in QUANTILES}
        failed = sum(turn["failed"] for turn in each)
        found.append({"server": name, "at": what, "rate": rate, "failed": failed, **middle})
    return found


def measure(seconds: float) -> list[dict[str, Any]]:
    """Return a row a server and rate; a server that is not installed says so."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    out: list[dict[str, Any]] = [
        {"server": name, "status": "absent", "message": why} for name in NAMES if (why := absent(name))
    ]
    with tempfile.TemporaryDirectory() as place:
        model = Path(place) / "forest.txt"
        rows = train(model)
        most: dict[str, float] = {}
        for name in NAMES:
            if not absent(name):
                try:
                    with running(name, model, rows[0]) as url:
                        most[name] = capacity(Target(url), rows, STEP_SECONDS)
                except NotStartedError as error:
                    if name not in NEEDS:
                        raise
                    out.append({"server": name, "status": "failed", "message": str(error)})
                    continue
                out.append({"server": name, "at": "capacity", "rate": most[name]})
        pairs = [("scalable", "echo", 0.5, "scalable"), ("granian", "granian echo", 0.5, "granian"),
                 ("scalable", "granian", 0.5, "scalable"), ("scalable", "fastapi", 0.8, "fastapi")]  # fmt: skip
        for one, other, share, whose in pairs:
            if one in most and other in most and most[whose]:  # 0: it kept up with no step
                with running(one, model, rows[0]) as first, running(other, model, rows[0]) as second:
                    targets = {one: Target(first), other: Target(second)}
                    what = f"{share:.0%} of {whose}'s capacity"
                    out += at_rate(targets, rows, share * most[whose], seconds, what)
    return out


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=4.0, help="a turn")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    found = measure(options.seconds)
    write_results(options.out, new_results("serving", {"http": found}))
    for row in found:
        print({name: round(value, 1) if isinstance(value, float) else value for name, value in row.items()})


if __name__ == "__main__":
    main()
