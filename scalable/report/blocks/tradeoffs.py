"""Quality against speed of cheaper forms of one model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scalable.report.blocks.block import Block, Column, table
from scalable.report.figures.pareto import Contender, front, pareto
from scalable.report.figures.style import Palette
from scalable.report.format import micros, score

COLUMNS: Sequence[Column] = (
    ("Form", "name", str),
    ("Log loss", "log_loss", score),
    ("AUC", "auc", score),
    ("p50", "p50_us", micros),
    ("p99", "p99_us", micros),
    ("Not beaten", "not_beaten", str),
    ("Chosen", "chosen", str),
)


def tradeoffs_table(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows as `COLUMNS` show them: which no other form beats, and which is chosen."""
    points = _points(rows)
    best = {point.name for point in front(points, larger=False)}
    return [{**row, "not_beaten": "yes" if row["name"] in best else "", "chosen": "yes" if row.get("chosen") else None}
            for row in rows]  # fmt: skip


def _points(rows: list[dict[str, Any]]) -> list[Contender]:
    return [Contender(row["name"], row["p50_us"] / 1e6, row["log_loss"]) for row in rows]


def tradeoffs_block(rows: list[dict[str, Any]], palette: Palette) -> Block:
    """Return log loss against the median of one row, and a table."""
    picture = pareto("Log loss against time of one row", "log loss", False, _points(rows), palette)
    lead = "Forms of one forest, made on half of the rows and measured on the other half; one row at a time."
    shown = table(tradeoffs_table(rows), COLUMNS)
    return Block("tradeoffs", "Trade-offs", lead, pictures=[picture], tables=[shown])
