"""Side by side with others: quality next to time and memory, failures shown as failures."""

from __future__ import annotations

from typing import Any

from scalable.report import format as fmt
from scalable.report.blocks.block import Block, Column, Table, table
from scalable.report.figures.bars import Bar, bars
from scalable.report.figures.pareto import Contender, pareto
from scalable.report.figures.style import Palette, Picture
from scalable.report.units import METRICS

_COLUMNS: tuple[Column, ...] = (
    ("Contender", "peer", str),
    ("Status", "status", str),
    ("Time", "seconds", fmt.seconds),
    ("Spread", "spread", str),
    ("Rows / s", "rows_per_second", fmt.count),
    ("Peak memory", "peak_memory_bytes", fmt.size),
    *((heading, f"quality {name}", fmt.score) for name, (heading, _) in METRICS.items()),
)
_CIRCUMSTANCES: tuple[Column, ...] = (
    ("Contender", "peer", str),
    ("Version", "version", str),
    ("Threads", "threads", str),
    ("Rows", "rows", fmt.count),
    ("Columns", "columns", str),
    ("On disk", "bytes", fmt.size),
    ("Cache", "cache", str),
    ("Prepared in", "prepare_seconds", fmt.seconds),
    ("Took in all", "wall_seconds", fmt.seconds),
    ("Data checksum", "checksum", lambda value: str(value)[:12]),
    ("What to know", "note", str),
    ("Command", "command", str),
)
_LEAD = (
    "All contenders of a job on the same rows, in turns: the median of their times, and the largest memory."
)


def peers_block(rows: list[dict[str, Any]], palette: Palette) -> Block:
    """Return, job by job, times as bars, quality against time, what was measured, and how.

    Each job has colours of its own: there are more contenders than colours that can be told apart.
    """
    pictures: list[Picture] = []
    tables: list[Table] = []
    notes: list[str] = []
    for job in dict.fromkeys(row["job"] for row in rows):
        own = Palette()
        contenders = [flat(row) for row in rows if row["job"] == job]
        timed = [row for row in contenders if row.get("status", "ok") == "ok" and row.get("seconds")]
        timed.sort(key=lambda row: row["seconds"])
        if len(timed) > 1:
            items = [Bar(row["peer"], row["seconds"], _time(row), own.colour(row["peer"])) for row in timed]
            pictures.append(bars(f"Time: {job}", items, "Median wall time. Shorter is better."))
        for name, (heading, larger) in METRICS.items():
            points = [
                Contender(row["peer"], row["seconds"], row[f"quality {name}"], bool(row.get("ours")))
                for row in timed
                if row.get(f"quality {name}") is not None
            ]
            if len(points) > 1:
                pictures.append(pareto(f"{heading} against time: {job}", heading, larger, points, own))
                break
        heavy = [row for row in timed if row.get("peak_memory_bytes")]
        if len(heavy) > 1:
            heavy.sort(key=lambda row: row["peak_memory_bytes"])
            items = [
                Bar(
                    row["peer"],
                    row["peak_memory_bytes"],
                    fmt.size(row["peak_memory_bytes"]),
                    own.colour(row["peer"]),
                )
                for row in heavy
            ]
            pictures.append(
                bars(f"Peak memory: {job}", items, "All processes of the contender. Shorter is better.")
            )
        tables.append(table(contenders, _COLUMNS, f"{str(job).capitalize()}: what was measured"))
        tables.append(table(contenders, _CIRCUMSTANCES, f"{str(job).capitalize()}: how"))
        notes += [
            f"{job}, {row['peer']}: {row.get('status', '')}. {row['message']}"
            for row in contenders
            if row.get("message")
        ]
    return Block("peers", "Side by side", _LEAD, pictures=pictures, tables=tables, notes=notes)


def flat(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with its quality metrics, rate and spread as columns of their own."""
    flat = dict(row)
    for name, value in (row.get("quality") or {}).items():
        flat[f"quality {name}"] = value
    samples = row.get("samples") or []
    if len(samples) > 1:
        flat["spread"] = f"{fmt.seconds(min(samples))} – {fmt.seconds(max(samples))} ({len(samples)})"
    if row.get("rows") and row.get("seconds"):
        flat.setdefault("rows_per_second", row["rows"] / row["seconds"])
    return flat


def _time(row: dict[str, Any]) -> str:
    return fmt.seconds(row["seconds"])
