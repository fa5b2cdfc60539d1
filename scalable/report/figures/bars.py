"""Horizontal bars with their names and values written above, which stay readable on a phone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scalable.report.figures import style


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its name, length, the value as text, and colour."""

    name: str
    value: float
    text: str
    colour: str


def bars(title: str, items: Sequence[Bar], caption: str = "") -> style.Picture:
    """Draw bars from the top down."""
    row = 44
    with style.canvas(style.WIDTH, row * len(items) + 14) as (figure, axes):
        longest = max(item.value for item in items) or 1.0
        for place, item in enumerate(items):
            axes.barh(place, longest, height=0.26, color=style.GRID, alpha=0.45, linewidth=0)
            axes.barh(place, item.value, height=0.26, color=item.colour, linewidth=0)
            axes.annotate(
                item.name,
                (0, place),
                (0, 9),
                textcoords="offset points",
                parse_math=False,
                va="bottom",
                color=style.INK,
            )
            axes.annotate(
                item.text,
                (longest, place),
                (0, 9),
                textcoords="offset points",
                parse_math=False,
                va="bottom",
                ha="right",
                color=style.INK,
                fontweight="bold",
            )
        axes.set_xlim(0, longest)
        axes.set_ylim(len(items) - 0.7, -0.78)
        axes.set_axis_off()
        words = "; ".join(f"{item.name}: {item.text}" for item in items)
        return style.Picture(title, style.to_svg(figure, title, words), caption)
