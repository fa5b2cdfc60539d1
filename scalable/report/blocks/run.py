"""What was learned from, and what each stage of the run cost."""

from __future__ import annotations

from typing import Any

from scalable.report.blocks.block import Block, Card, Cell, Table, table
from scalable.report.figures.bars import Bar, bars
from scalable.report.figures.style import SERIES, Palette
from scalable.report.format import anything, count, rows, score, seconds, size
from scalable.report.units import METRICS

STAGES = (
    ("Stage", "name", str),
    ("Time", "seconds", seconds),
    ("Rows", "rows", rows),
    ("Rows / s", "rows_per_second", count),
    ("Peak memory", "peak_memory_bytes", size),
    ("Note", "note", str),
)


def dataset_block(dataset: dict[str, Any], palette: Palette) -> Block:
    """Return the dataset as cards, and its Bayes-optimal scores."""
    cards = [Card("Rows", count(dataset["rows"]), f"{dataset['rows']:,}")]
    if dataset.get("files") or dataset.get("bytes"):
        files = dataset.get("files")
        told = f"{files:,} Parquet file{'s' if files > 1 else ''}" if files else ""
        known = dataset.get("bytes")
        cards.append(
            Card("On disk", size(known), told) if known else Card("Files", f"{files:,}", "of Parquet")
        )
    if dataset.get("train_rows"):
        held = dataset.get("held_out_rows")
        cards.append(
            Card("Trained on", count(dataset["train_rows"]), f"{count(held)} held out" if held else "")
        )
    shown = {"name", "rows", "files", "bytes", "truth", "train_rows", "held_out_rows"}
    rest = [
        [Cell(key.replace("_", " ")), Cell(anything(value))]
        for key, value in dataset.items()
        if key not in shown
    ]
    tables = [Table(["Entry", "Value"], [False, False], rest)] if rest else []
    truth = dataset.get("truth") or {}
    cards += [
        _best_possible(name, truth[name]) for name in ("auc", "log_loss", "r2") if truth.get(name) is not None
    ]
    return Block("dataset", f"Dataset: {dataset['name']}", cards=cards, tables=tables)


def _best_possible(name: str, value: Any) -> Card:
    """Return a Bayes-optimal score; generated datasets give what is expected and what these rows realise."""
    label = f"Best possible {METRICS[name][0].replace('Log', 'log')}"
    if isinstance(value, dict):
        realised = value.get("realised")
        detail = "expected, Bayes-optimal" + (
            f"; {score(realised)} on these rows" if realised is not None else ""
        )
        return Card(label, score(value.get("expected")), detail)
    return Card(label, score(value), "Bayes-optimal, expected before labels are drawn")


def stages_block(stages: list[dict[str, Any]], palette: Palette) -> Block:
    """Return throughput and memory of the stages."""
    stages = [dict(stage) for stage in stages]
    for stage in stages:
        if stage.get("rows_per_second") is None and stage.get("rows") and stage.get("seconds"):
            stage["rows_per_second"] = stage["rows"] / stage["seconds"]
    pictures = []
    several = len(stages) > 1  # one bar says no more than its number in the table
    fast = [stage for stage in stages if stage.get("rows_per_second")]
    if several and fast:
        items = [
            Bar(s["name"], s["rows_per_second"], f"{count(s['rows_per_second'])} rows/s", SERIES[0])
            for s in fast
        ]
        pictures.append(
            bars("Throughput", items, "Rows a second, wall time of the whole stage. Longer is better.")
        )
    heavy = [stage for stage in stages if stage.get("peak_memory_bytes")]
    if several and heavy:
        items = [
            Bar(s["name"], s["peak_memory_bytes"], size(s["peak_memory_bytes"]), SERIES[1]) for s in heavy
        ]
        pictures.append(bars("Peak memory", items, "The process and its children. Shorter is better."))
    timed = [stage for stage in stages if stage.get("seconds")]
    if several and timed:
        items = [Bar(s["name"], s["seconds"], seconds(s["seconds"]), SERIES[2]) for s in timed]
        pictures.append(bars("Time", items, "Wall time of each stage. Shorter is better."))
    total = sum(stage["seconds"] for stage in stages if stage.get("seconds"))
    return Block(
        "stages", "Stages", f"{seconds(total)} in all.", pictures=pictures, tables=[table(stages, STAGES)]
    )
