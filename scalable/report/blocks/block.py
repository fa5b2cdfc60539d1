"""What a block consists of, and how a section of unknown shape becomes one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from scalable.report.figures.style import Picture
from scalable.report.format import anything


@dataclass(frozen=True, slots=True)
class Card:
    """One figure of merit at the top of a page; `tone` is "", "good" or "bad"."""

    label: str
    value: str
    detail: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """One table cell: its text, the value it sorts by, its tone, and a smaller second line."""

    text: str
    sort: float | str | None = None
    tone: str = ""
    under: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table that sorts: column names, which of them hold numbers, and rows of cells."""

    columns: list[str]
    numeric: list[bool]
    rows: list[list[Cell]]
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """One section of a page."""

    key: str
    title: str
    lead: str = ""
    cards: list[Card] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


Column = tuple[str, str, Callable[[Any], str]]


def table(rows: Sequence[dict[str, Any]], columns: Sequence[Column], caption: str = "") -> Table:
    """Return a table of the `columns` (heading, key, writer) that at least one row knows."""
    shown = [column for column in columns if any(row.get(column[1]) is not None for row in rows)]
    numeric = [
        all(_is_number(row.get(key)) for row in rows if row.get(key) is not None) for _, key, _ in shown
    ]
    cells = [[_cell(row.get(key), write) for _, key, write in shown] for row in rows]
    return Table([heading for heading, _, _ in shown], numeric, cells, caption)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _cell(value: Any, write: Callable[[Any], str]) -> Cell:
    if isinstance(value, bool):
        return Cell("yes" if value else "NO", int(value), "good" if value else "bad")
    if _is_number(value):
        return Cell(write(value), value if math.isfinite(value) else None)
    if value is None:
        return Cell(anything(None))
    tone = {"ok": "good", "failed": "bad"}.get(value, "") if isinstance(value, str) else ""
    return Cell(write(value), anything(value), tone)
