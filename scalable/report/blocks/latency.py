"""How long a prediction takes, engine by engine and batch by batch."""

from __future__ import annotations

from typing import Any

from scalable.latency.timing import CALLS_OF, FEWEST
from scalable.report.blocks.block import Block, Table, table
from scalable.report.figures import latency as figures
from scalable.report.figures import scaling
from scalable.report.figures.style import Palette, Picture
from scalable.report.format import count, factor, micros, seconds, size

ENGINES = (
    ("Engine", "engine", str),
    ("p50", "p50_us", micros),
    ("p90", "p90_us", micros),
    ("p99", "p99_us", micros),
    ("p99.9", "p999_us", micros),
    ("Max", "max_us", micros),
    ("Per row", "row_us", micros),
    ("Rows / s", "rows_per_second", count),
    ("Speed-up", "speedup", factor),
    ("Bit for bit", "bit_equal", str),
    ("Max. diff.", "max_abs_difference", lambda value: f"{value:.1e}" if value else "0"),
    ("Calls", "calls", count),
    ("Threads", "threads", str),
    ("Status", "status", str),
)
CIRCUMSTANCES = (
    ("Engine", "engine", str),
    ("Version", "version", str),
    ("Load", "load_seconds", seconds),
    ("First answer", "first_prediction_seconds", seconds),
    ("Memory", "memory_bytes", size),
    ("Peak memory", "peak_memory_bytes", size),
    ("Command", "command", str),
)
CALLS_FOR = {f"{name}_us": calls for name, calls in CALLS_OF.items()}  # of records that have them of fewer


def with_speedups(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows with time a row and speed-up over the baseline engine added."""
    base = figures.baseline(rows)
    out = []
    for row in rows:
        new = dict(row)
        if row.get("p50_us"):
            new["row_us"] = row["p50_us"] / row["batch"] if row.get("batch", 1) > 1 else None
            if base and base.get("p50_us"):
                new.setdefault("speedup", base["p50_us"] / row["p50_us"])
        out.append(new)
    return out


def latency_block(batches: dict[str, list[dict[str, Any]]], palette: Palette) -> Block:
    """Return distributions, speed-ups and tables for each batch size."""
    pictures: list[Picture] = []
    speedups: list[Picture] = []
    tables: list[Table] = []
    for batch in sorted(batches, key=int):
        rows = with_speedups(batches[batch])
        drawn = [row for row in rows if row.get("quantiles_us") and row.get("calls", FEWEST) >= FEWEST]
        if drawn:
            pictures.append(figures.distribution(batch, drawn, palette))
        timed = [row for row in rows if row.get("p50_us")]
        if timed and (speedup := figures.speedups(batch, timed, palette)):
            speedups.append(speedup)
        name = "One row at a time" if int(batch) == 1 else f"{int(batch):,} rows a call"
        if not any(row.get("max_abs_difference") for row in rows):
            rows = [{**row, "max_abs_difference": None} for row in rows]  # a column of zeros says nothing
        if all(row.get("status", "ok") == "ok" for row in rows):
            rows = [{**row, "status": None} for row in rows]  # nor does one of successes
        tables.append(table([known(row) for row in rows], ENGINES, name))
    once = batches[min(batches, key=int)]
    if any(row.get("load_seconds") is not None or row.get("command") for row in once):
        tables.append(table(once, CIRCUMSTANCES, "Loading, and how to repeat it"))
    growing = _throughput(batches)
    if growing:
        pictures.append(scaling.throughput(growing, palette))
    everything = [row for rows in batches.values() for row in rows]
    lead = "Time of whole calls, as Python makes them."
    return Block(
        "latency", "Latency", lead, pictures=pictures + speedups, tables=tables, notes=_notes(everything)
    )


def known(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row without the quantiles that so few calls do not tell."""
    calls = row.get("calls")
    few = {key for key, enough in CALLS_FOR.items() if calls is not None and calls < enough}
    return {key: value for key, value in row.items() if key not in few}


def _throughput(batches: dict[str, list[dict[str, Any]]]) -> dict[str, list[tuple[float, float]]]:
    """Return (rows a call, rows a second) of the engines measured at several batch sizes."""
    points: dict[str, list[tuple[float, float]]] = {}
    for batch, rows in batches.items():
        for row in rows:
            if row.get("p50_us"):
                points.setdefault(row["engine"], []).append((int(batch), int(batch) / row["p50_us"] * 1e6))
    return {engine: line for engine, line in points.items() if len(line) > 1}


def _notes(rows: list[dict[str, Any]]) -> list[str]:
    """Return what was measured, the cost of the clock, and why engines are absent; each said once."""
    models = [row["model"] for row in rows if isinstance(row.get("model"), dict)]
    notes = [
        "Model: " + ", ".join(f"{value:,} {name}" for name, value in model.items()) + "." for model in models
    ]
    if clocks := [row["clock_overhead_us"] for row in rows if row.get("clock_overhead_us")]:
        span = dict.fromkeys([micros(min(clocks)), micros(max(clocks))])
        notes.append(f"Every call includes {' to '.join(span)} of reading the clock.")
    notes += [
        f"{row['engine']}: {row.get('status', 'absent')}. {row['message']}"
        for row in rows
        if row.get("message")
    ]
    return list(dict.fromkeys(notes))
