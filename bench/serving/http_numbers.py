"""One row over HTTP, keep-alive, server and generator on a processor each: capacity, and latency at shares of it.

    pip install '.[serve,peers]'
    python -m bench.serving.http_numbers --out docs/results/serving_http.json

Capacity is that of a closed loop, the better of two numbers of connections, with the processor time of the server a
request and how busy the generator was. Ours and a bare echo of the same server are held against each other at half of
our capacity, ours and FastAPI at 80% of FastAPI's, in an open loop; turns alternate, so that a busy moment meets both,
and have real-time priority where that is allowed: a watcher of the machine that takes 4.5 ms every second keeps
a hundredth of 28,000 requests a second waiting, and whether it is a little more or less decides the slowest hundredth.
FastAPI calls a plain function, which the tutorials show, in a thread, and an async one in its loop: both are there.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.serving.closed_loop import WARM_SECONDS, closed_loop
from bench.serving.servers import NAMES, NEEDS, NotStartedError, absent, processor_seconds, running, train
from scalable.report.document import new_results
from scalable.report.results import write_results
from scalable.serve.load import QUANTILES, Target, offer

CONNECTIONS, LOOPS, TURNS = (8, 32), 3, 7
Rows = list[dict[str, float]]


def capacity(place: str, rows: Rows, seconds: float) -> dict[str, Any]:
    """Return the best of some closed loops."""
    best: dict[str, Any] = {"rate": 0.0}
    for connections in CONNECTIONS * LOOPS:
        before = processor_seconds(place)
        found: dict[str, Any] = closed_loop(Target(place), rows, seconds, connections)
        used = processor_seconds(place) - before
        if not found["failed"] and found["rate"] > best["rate"]:
            asked = found["rate"] * (seconds + WARM_SECONDS)
            best = found | {"connections": connections, "server_us": 1e6 * used / asked}
    return best


@contextlib.contextmanager
def undisturbed() -> Iterator[str]:
    """Give this process, and those it starts, priority over all that is not real-time; yield which they have."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except OSError:
        yield "normal"
        return
    try:
        yield "real time"
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


Point = tuple[str, float, str]  # a server, requests a second, what they are


def at_rates(
    targets: dict[str, Target], rows: Rows, points: list[Point], seconds: float
) -> list[dict[str, Any]]:
    """Return the middle of some turns of each point, with the least and the most p99, and how busy the server was."""
    turns: list[list[dict[str, Any]]] = [[] for _ in points]
    for turn in range(-1, TURNS):
        for each, (name, rate, _) in zip(turns, points, strict=True):
            before = processor_seconds(str(targets[name].port))
            lasts = seconds if turn >= 0 else WARM_SECONDS
            each.append(offer(targets[name], rows, rate, lasts, turn + 1, CONNECTIONS[-1]))
            each[-1]["server_busy"] = (processor_seconds(str(targets[name].port)) - before) / lasts
    found = []
    for (name, rate, what), each in zip(points, turns, strict=True):
        del each[0]  # the first warms up
        middle = {q: sorted(turn[q] for turn in each)[TURNS // 2] for q in (*QUANTILES, "server_busy")}
        slowest = [turn["p99_us"] for turn in each]
        spread = {"p99_least_us": min(slowest), "p99_most_us": max(slowest)}
        failed = sum(turn["failed"] for turn in each)
        found.append({"server": name, "at": what, "rate": rate, "failed": failed, **middle, **spread})
    return found


def beside(model: Path, rows: Rows, points: list[Point], seconds: float) -> list[dict[str, Any]]:
    """Return what `at_rates` does of servers that are started here, and the priority that they had."""
    with undisturbed() as priority, contextlib.ExitStack() as started:
        targets = {
            name: Target(started.enter_context(running(name, model, rows[0])))
            for name in dict.fromkeys(name for name, _, _ in points)
        }
        found = at_rates(targets, rows, points, seconds)
    return [{**row, "priority": priority} for row in found]


def measure(seconds: float) -> list[dict[str, Any]]:
    """Return a row a server and rate; a server that is not installed says so."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("the server and the generator need a processor each")
    os.sched_setaffinity(0, cores[-1:])
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
                        found = capacity(url, rows, seconds)
                except NotStartedError as error:
                    if name not in NEEDS:
                        raise
                    out.append({"server": name, "status": "failed", "message": str(error)})
                    continue
                most[name] = found["rate"]
                out.append({"server": name, "at": "capacity", **found})
        pairs = [("scalable", "echo", 0.5, "scalable"), ("granian", "granian echo", 0.5, "granian"),
                 ("scalable", "granian", 0.5, "granian"), ("scalable", "fastapi", 0.8, "fastapi"),
                 ("scalable", "fastapi async", 0.8, "fastapi async")]  # fmt: skip
        for one, other, share, whose in pairs:
            if one in most and other in most and most[whose]:
                points = [
                    (name, share * most[whose], f"{share:.0%} of {whose}'s capacity") for name in (one, other)
                ]
                if other.endswith("echo"):
                    points.append(
                        (other, share * most[other], f"{share:.0%} of the echo's own, not {whose}'s")
                    )
                out += beside(model, rows, points, seconds)
    return out


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="a turn")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    found = measure(options.seconds)
    write_results(options.out, new_results("serving", {"http": found}))
    for row in found:
        print({name: round(value, 1) if isinstance(value, float) else value for name, value in row.items()})


if __name__ == "__main__":
    main()
