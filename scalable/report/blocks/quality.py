"""How good the models are, held against the best any model could be."""

from __future__ import annotations

from typing import Any

from scalable.report.blocks.block import Block, Cell, Table, table
from scalable.report.figures import quality as figures
from scalable.report.figures.confusion import confusion
from scalable.report.figures.style import Palette
from scalable.report.format import count, score, seconds, signed
from scalable.report.sections import BAYES
from scalable.report.units import METRICS


def reference_row(rows: list[dict[str, Any]], of: dict[str, Any] | None = None) -> dict[str, Any] | None:
    """Return the row of the Bayes-optimal score, if there is one: that of the same size as the row `of`."""
    best = [row for row in rows if row["model"] == BAYES]
    alike = [row for row in best if of is None or row.get("size") == of.get("size")]
    return next(iter(alike), None)


def quality_block(rows: list[dict[str, Any]], palette: Palette) -> Block:
    """Return metrics beside their Bayes-optimal values, and the curves."""
    best = reference_row(rows)
    names = [name for name in METRICS if any(row.get(name) is not None for row in rows)]
    columns = ["Model", *(METRICS[name][0] for name in names)]
    numeric = [False, *(True for _ in names)]
    cells = [
        [Cell(row["model"], row["model"]), *(_metric(row, reference_row(rows, row), name) for name in names)]
        for row in rows
    ]
    for heading, key, write in (
        ("Size", "size", count),
        ("Rows", "rows", count),
        ("Time", "seconds", seconds),
    ):
        if any(row.get(key) is not None for row in rows):
            columns.append(heading)
            numeric.append(True)
            for row, line in zip(rows, cells, strict=True):
                line.append(Cell(write(row.get(key)), row.get(key)))
    pictures = []
    for key, draw in (
        ("roc", figures.roc),
        ("pr", figures.precision_recall),
        ("reliability", figures.reliability),
    ):
        drawn = [row for row in rows if row.get(key)]
        if drawn and (key != "reliability" or any(row["model"] != BAYES for row in drawn)):
            pictures.append(draw(drawn, palette))
    matrices = [confusion(row, _names(row)) for row in rows if row.get("confusion")]
    pictures += [picture for picture in matrices if picture is not None]
    lead = ""
    if best:
        lead = "Under each value: its distance to the Bayes-optimal score, which no model of these columns can beat."
    bound = max((row.get("auc_error") or 0.0 for row in rows), default=0.0)
    notes = [f"AUC is exact within {bound:.1e}, the bound of its streamed histogram."] if bound else []
    if errors := [row["auc_se"] for row in rows if row.get("auc_se") is not None]:
        notes.append(
            f"Another draw of held-out rows would move AUC by about {max(errors):.2g} (one standard error)."
        )
    tables = [Table(columns, numeric, cells), *(_classes(row) for row in rows if row.get("classes"))]
    return Block("quality", "Quality", lead, pictures=pictures, tables=tables, notes=notes)


def _classes(row: dict[str, Any]) -> Table:
    """Return the metrics of each class against the rest."""
    lines = [{"class": name, **one} for name, one in zip(_names(row), row["classes"], strict=False)]
    columns = (
        ("Class", "class", str),
        ("Share", "prevalence", lambda value: f"{value:.2%}"),
        ("AUC", "auc", score),
        ("PR-AUC", "average_precision", score),
        ("Precision", "precision", score),
        ("Recall", "recall", score),
    )
    return table(lines, columns, f"{row['model']}: each class against the rest")


def _names(row: dict[str, Any]) -> list[str]:
    """Return the names of a row's classes, their indices when it has none."""
    return [str(name) for name in row.get("class_names") or range(len(row["classes"]))]


def _metric(row: dict[str, Any], best: dict[str, Any] | None, name: str) -> Cell:
    """Return a metric, with its distance to the best possible value under it."""
    value = row.get(name)
    if best is None or row is best or value is None or best.get(name) is None:
        return Cell(score(value), value)
    return Cell(score(value), value, under=signed(value - best[name]))
