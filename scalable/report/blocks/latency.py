"""How long a prediction takes, engine by engine and batch by batch."""

from __future__ import annotations

from typing import Any

from scalable.report.blocks.block import Block, Table, table
from scalable.report.figures import latency as figures
from scalable.report.figures.style import Palette, Picture
from scalable.report.format import count, factor, micros

ENGINES = (
    ("Engine", "engine", str),
    ("p50", "p50_us", micros),
    ("p90", "p90_us", micros),
    ("p99", "p99_us", micros),
    ("p99.9", "p999_us", micros),
    ("Per row", "row_us", micros),
    ("Rows / s", "rows_per_second", count),
    ("Speed-up", "speedup", factor),
    ("Bit for bit", "bit_equal", str),
    ("Max. difference", "max_abs_difference", lambda value: f"{value:.1e}" if value else "0"),
    ("Calls", "calls", count),
    ("Threads", "threads", str),
    ("Status", "status", str),
    ("Message", "message", str),
)


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
        drawn = [row for row in rows if row.get("quantiles_us")]
        if drawn:
            pictures.append(figures.distribution(batch, drawn, palette))
        timed = [row for row in rows if row.get("p50_us")]
        if timed and (speedup := figures.speedups(batch, timed, palette)):
            speedups.append(speedup)
        name = "One row at a time" if int(batch) == 1 else f"{int(batch):,} rows a call"
        tables.append(table(rows, ENGINES, name))
    lead = "Time of whole calls, as Python makes them."
    return Block("latency", "Latency", lead, pictures=pictures + speedups, tables=tables)
