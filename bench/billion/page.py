"""Fills docs/billion.md with tables, and draws its plots, from docs/results/billion.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

DOCS = Path(__file__).resolve().parents[2] / "docs"
RECORD = DOCS / "results" / "billion.json"
PAGE = DOCS / "billion.md"
PICTURE = DOCS / "results" / "billion.svg"
_BEGIN, _END = "<!-- table:{} -->\n", "<!-- /table -->"
_DRAWN = ("generate", "scan", "sgd", "newton", "rotate", "score")


def write_page() -> None:
    """Replace the tables of the page and draw the picture again."""
    stages = json.loads(RECORD.read_text("utf-8"))["sections"]["stages"]
    PAGE.write_text(filled(PAGE.read_text("utf-8"), stages), "utf-8")
    draw(stages, PICTURE)


def filled(text: str, stages: list[dict[str, Any]]) -> str:
    """Return the page with each table made anew."""
    for name, rows in tables(stages).items():
        begin = _BEGIN.format(name)
        head, rest = text.split(begin)
        text = head + begin + "\n".join(rows) + "\n" + rest[rest.index(_END) :]
    return text


def tables(stages: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Return the lines of each Markdown table by name."""
    sizes = sorted({row["size"] for row in stages})
    largest = [row for row in stages if row["size"] == sizes[-1]]
    return {
        "stages": [
            "| stage | wall | rows/s | peak memory | read | written |",
            "|---|---|---|---|---|---|",
            *(_stage(row) for row in largest),
        ],
        "sizes": [
            "| stage | " + " | ".join(f"{n:,} rows" for n in sizes) + " |",
            "|---" * (len(sizes) + 1) + "|",
            *(_across(name, stages, sizes) for name in dict.fromkeys(row["stage"] for row in stages)),
        ],
        "quality": [
            "| rows | model | AUC | log loss | gap to Bayes (AUC) |",
            "|---|---|---|---|---|",
            *(line for row in stages if "quality" in row for line in _quality(row)),
        ],
    }


def _stage(row: dict[str, Any]) -> str:
    late = " (more than asked)" if row["most_seconds"] and row["seconds"] > row["most_seconds"] else ""
    large = " (more than asked)" if row["peak_memory_bytes"] > row["most_memory_bytes"] else ""
    return (
        f"| `{row['stage']}` | {row['seconds']:,.1f} s{late} | {row['rows_per_second'] / 1e6:,.2f} M | "
        f"{row['peak_memory_bytes'] / 2**20:,.0f} MiB{large} | {row['read_bytes'] / 1e9:,.1f} GB | "
        f"{row['written_bytes'] / 1e9:,.1f} GB |"
    )


def _across(name: str, stages: list[dict[str, Any]], sizes: list[int]) -> str:
    cells = []
    for size in sizes:
        row = next((r for r in stages if r["stage"] == name and r["size"] == size), None)
        each = row["seconds"] / row["rows"] * 1e9 if row and row["rows"] else 0.0
        cells.append(f"{each:,.0f} ns/row, {row['peak_memory_bytes'] / 2**20:,.0f} MiB" if row else "")
    return f"| `{name}` | " + " | ".join(cells) + " |"


def _quality(row: dict[str, Any]) -> list[str]:
    found = {entry["model"]: entry for entry in row["quality"]}
    best = found.get("Bayes-optimal")
    lines = []
    for name, entry in found.items():
        gap = f"{best['auc'] - entry['auc']:.4f}" if best and entry is not best else ""
        lines.append(f"| {row['size']:,} | {name} | {entry['auc']:.4f} | {entry['log_loss']:.5f} | {gap} |")
    return lines


def draw(stages: list[dict[str, Any]], path: Path) -> None:
    """Draw cost per row and memory against rows."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    cost, memory = figure.subplots(1, 2)
    for name in _DRAWN:
        rows = sorted((r for r in stages if r["stage"] == name), key=lambda r: r["size"])
        sizes = [r["size"] for r in rows]
        cost.plot(sizes, [r["seconds"] / r["rows"] * 1e9 for r in rows], "o-", ms=4, label=name)
        memory.plot(sizes, [r["peak_memory_bytes"] / 2**30 for r in rows], "o-", ms=4, label=name)
    for axes, title in ((cost, "wall time, ns a row"), (memory, "peak memory, GiB")):
        axes.set(xscale="log", xlabel="rows", title=title)
        axes.set_ylim(bottom=0)
        axes.spines[["top", "right"]].set_visible(False)
    memory.legend(fontsize=8, frameon=False)
    FigureCanvasSVG(figure).print_svg(path, metadata={"Date": None})
