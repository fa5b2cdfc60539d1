"""Cost and memory against rows and workers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from scalable.report import format as fmt
from scalable.report.blocks.block import Block, table
from scalable.report.figures import scaling as figures
from scalable.report.figures.style import Palette, Picture

_COLUMNS = (
    ("Job", "job", str),
    ("Rows", "rows", fmt.count),
    ("Workers", "workers", str),
    ("Time", "seconds", fmt.seconds),
    ("Rows / s", "rows_per_second", fmt.count),
    ("Time a row", "row_seconds", fmt.seconds),
    ("Peak memory", "peak_memory_bytes", fmt.size),
    ("Note", "note", str),
)


def scaling_block(rows: list[dict[str, Any]], palette: Palette) -> Block:
    """Return curves over rows (at equal workers) and over workers (at equal rows), and the table."""
    rows = [
        {**row, "row_seconds": row["seconds"] / row["rows"], "rows_per_second": row["rows"] / row["seconds"]}
        for row in rows
    ]
    pictures: list[Picture] = []
    cost = _series(rows, "workers", "rows", "row_seconds")
    if cost:
        pictures.append(figures.cost_per_row(cost, palette))
    memory = _series(
        [row for row in rows if row.get("peak_memory_bytes")], "workers", "rows", "peak_memory_bytes"
    )
    if memory:
        pictures.append(figures.memory(memory, palette))
    speed = {
        name: [(place, value / min(points)[1]) for place, value in points]
        for name, points in _series(
            [row for row in rows if row.get("workers")], "rows", "workers", "rows_per_second"
        ).items()
    }
    if speed:
        pictures.append(figures.workers(speed, palette))
    return Block("scaling", "Scaling", pictures=pictures, tables=[table(rows, _COLUMNS)])


def _series(
    rows: Sequence[dict[str, Any]], fixed: str, x: str, y: str
) -> dict[str, list[tuple[float, float]]]:
    """Return points (x, y) by job and value of `fixed`, where there are at least two places."""
    groups: dict[tuple[str, Any], list[tuple[float, float]]] = defaultdict(list)
    for row in rows:
        groups[row["job"], row.get(fixed)].append((row[x], row[y]))
    kept = {key: points for key, points in groups.items() if len({place for place, _ in points}) > 1}
    jobs = [job for job, _ in kept]
    return {
        job if jobs.count(job) == 1 or value is None else f"{job}, {fmt.count(value)} {fixed}": points
        for (job, value), points in kept.items()
    }


def across(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return scaling rows made of equal stages over datasets of the same name and differing size.

    Only documents of one machine are put together; others would compare machines, not sizes.
    """
    found: list[dict[str, Any]] = []
    for document in results:
        sections = document.get("sections", {})
        dataset, stages = sections.get("dataset"), sections.get("stages")
        if not isinstance(dataset, dict) or not isinstance(stages, list):
            continue
        machine = document.get("machine", {})
        for stage in stages:
            if isinstance(stage, dict) and stage.get("rows") and stage.get("seconds") and stage.get("name"):
                origin = (dataset.get("name"), machine.get("cpu"), machine.get("cores"))
                found.append({**stage, "job": stage["name"], "origin": origin})
    origins = {row["origin"] for row in found}
    if len(origins) != 1 or not _series(found, "origin", "rows", "seconds"):
        return []
    return [{key: value for key, value in row.items() if key != "origin"} for row in found]
