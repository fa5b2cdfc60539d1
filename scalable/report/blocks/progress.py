"""How the code got here: waterfalls of optimisations, and benchmarks over commits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from scalable.report import format as fmt
from scalable.report.blocks.block import Block, Table, table
from scalable.report.figures.history import WRITERS, history
from scalable.report.figures.style import Palette
from scalable.report.figures.waterfall import waterfall

LINES = 6


def waterfall_block(charts: list[dict[str, Any]], palette: Palette) -> Block:
    """Return one figure and one table for each sequence of optimisations."""
    pictures, tables = [], []
    for chart in charts:
        larger = bool(chart.get("larger_is_better", False))
        pictures.append(waterfall(chart["title"], chart["unit"], chart["steps"], larger))
        columns = (("Change", "name", str), (chart["unit"], "value", fmt.anything), ("Note", "note", str))
        tables.append(table(chart["steps"], columns, chart["title"]))
    return Block("waterfall", "What each change brought", pictures=pictures, tables=tables)


def history_block(series: list[dict[str, Any]], palette: Palette) -> Block:
    """Return benchmarks over commits, up to six parameter values to a figure, and their last values."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in series:
        if line["points"]:
            groups[line["benchmark"]].append({"label": line.get("params") or line["benchmark"], **line})
    pictures = []
    for name, lines in groups.items():
        if len({point["commit"] for line in lines for point in line["points"]}) < 2:
            continue  # one commit is no history; its values are in the table
        for start in range(0, len(lines), LINES):
            title = name if len(lines) <= LINES else f"{name} ({start // LINES + 1})"
            pictures.append(history(title, lines[0]["unit"], lines[start : start + LINES], Palette()))
    rows = [_last(line) for lines in groups.values() for line in lines]
    columns = (
        ("Benchmark", "benchmark", str),
        ("Parameters", "params", str),
        ("Commits", "commits", fmt.count),
        ("First", "first", fmt.anything),
        ("Last", "last", fmt.anything),
        ("Unit", "shown_unit", str),
        ("Change", "change", lambda value: f"{value:+.1%}"),
    )
    tables: list[Table] = [table(rows, columns)] if rows else []
    return Block("history", "History", pictures=pictures, tables=tables)


def _last(line: dict[str, Any]) -> dict[str, Any]:
    points = sorted(line["points"], key=lambda point: point["date"])
    first, last = points[0]["value"], points[-1]["value"]
    change = last / first - 1 if first and len(points) > 1 else None
    write: Callable[[Any], str] = WRITERS.get(line["unit"], fmt.anything)
    return {
        **line,
        "shown_unit": "" if line["unit"] in WRITERS else line["unit"],
        "commits": len(points),
        "first": write(first),
        "last": write(last),
        "change": change,
    }
