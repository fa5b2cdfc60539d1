"""What the terminal shows of latency: engines by batch, circumstances, requests, arrivals that do not wait, steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from scalable.report import format as fmt
from scalable.report.blocks.block import Column
from scalable.report.blocks.latency import known, with_speedups

Part = (
    tuple[str, Sequence[dict[str, Any]], Sequence[Column]] | str
)  # a table's title, rows and columns; or a line

_ENGINES: Sequence[Column] = (
    ("engine", "engine", str),
    ("calls", "calls", fmt.count),
    ("p50", "p50_us", fmt.micros),
    ("p99", "p99_us", fmt.micros),
    ("a row", "row_us", fmt.micros),
    ("rows/s", "rows_per_second", fmt.count),
    ("speed-up", "speedup", fmt.factor),
    ("bit for bit", "bit_equal", fmt.anything),
    ("status", "status", str),
)
_LOADING: Sequence[Column] = (
    ("engine", "engine", str),
    ("load", "load_seconds", fmt.seconds),
    ("first answer", "first_prediction_seconds", fmt.seconds),
    ("memory", "memory_bytes", fmt.size),
)
_REQUESTS: Sequence[Column] = (
    ("request", "request", str),
    ("engine", "engine", str),
    ("calls", "calls", fmt.count),
    ("p50", "p50_us", fmt.micros),
    ("p99", "p99_us", fmt.micros),
    ("a second", "rows_per_second", fmt.count),
    ("note", "message", str),
)
_ARRIVALS: Sequence[Column] = (
    ("engine", "engine", str),
    ("mode", "mode", str),
    ("of capacity", "fraction", fmt.percent),
    ("requests/s", "rate", fmt.count),
    ("calls", "calls", fmt.count),
    ("p50", "p50_us", fmt.micros),
    ("p99", "p99_us", fmt.micros),
    ("p99 < 1 ms up to", "highest_rate", fmt.count),
)
_STEPS: Sequence[Column] = (("step", "name", str), ("time", "shown", str))


def latency(batches: dict[str, list[dict[str, Any]]]) -> Iterator[Part]:
    """Yield one table a batch size, what loading took, and once why engines are missing."""
    said: dict[str, None] = {}
    for batch in sorted(batches, key=int):
        name = "one row at a time" if int(batch) == 1 else f"{int(batch):,} rows a call"
        rows = [known(row) for row in with_speedups(batches[batch])]
        measured = [row for row in rows if row.get("p50_us") or row.get("status", "ok") != "absent"]
        for row in rows:
            if row.get("message"):
                said[f"  {row['engine']}: {row.get('status', 'absent')}, {row['message']}"] = None
        if all(row.get("status", "ok") == "ok" for row in measured):
            measured = [{**row, "status": None} for row in measured]
        if measured:
            yield f"Latency, {name}", measured, _ENGINES
    once = batches[min(batches, key=int)] if batches else []
    loaded = [row for row in once if row.get("load_seconds") is not None]
    if loaded:
        yield "Loading", loaded, _LOADING
    yield from said


def requests(rows: list[dict[str, Any]]) -> Iterator[Part]:
    """Yield the table of requests: from what a caller holds to the answer."""
    yield "Requests", [known(row) for row in rows], _REQUESTS


def open_loop(rows: list[dict[str, Any]]) -> Iterator[Part]:
    """Yield the table of Poisson arrivals, timed from the moment at which each was due."""
    yield "Open loop: arrivals that do not wait", [known(row) for row in rows if row.get("mode")], _ARRIVALS
    yield from (f"  {row['engine']}: {row['status']}, {row['message']}" for row in rows if row.get("message"))


def waterfall(charts: list[dict[str, Any]]) -> Iterator[Part]:
    """Yield what each optimisation brought."""
    for chart in charts:
        unit = chart["unit"]
        steps = [{**step, "shown": f"{step['value']:.3g} {unit}"} for step in chart["steps"]]
        yield chart["title"], steps, _STEPS
