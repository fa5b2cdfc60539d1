"""A figure of a monitor over time, with its threshold and its alarms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scalable.report import format as fmt
from scalable.report.figures import style


def timeline(title: str, rows: Sequence[dict[str, Any]]) -> style.Picture:
    """Draw a figure period by period.

    Parameters
    ----------
    title : str
    rows : sequence of dict
        In order of time: ``period`` (its name), ``value``, ``threshold`` or None, ``alarm``; ``low`` and ``high`` if
        known.
    """
    x = list(range(len(rows)))
    values = [row["value"] for row in rows]
    colour, bad = style.SERIES[0], style.SERIES[1]
    alarms = [k for k in x if rows[k]["alarm"]]
    with style.canvas() as (figure, axes):
        if all(row.get("low") is not None for row in rows):
            axes.fill_between(
                x, [row["low"] for row in rows], [row["high"] for row in rows], color=colour, alpha=0.18
            )
        axes.plot(x, values, color=colour, marker="o", markersize=4)
        limits = [(k, row["threshold"]) for k, row in enumerate(rows) if row.get("threshold") is not None]
        if limits:
            axes.plot(*zip(*limits, strict=True), color=style.MUTED, linestyle="--", linewidth=1.2)
        axes.plot(alarms, [values[k] for k in alarms], color=bad, marker="o", markersize=7, linestyle="none")
        shown = range(0, len(rows), max(1, -(-len(rows) // 4)))
        axes.set_xticks(list(shown), [rows[k]["period"] for k in shown])
        said = f"alarm from {rows[alarms[0]]['period']}" if alarms else "no alarm"
        svg = style.to_svg(figure, title, f"{len(rows)} periods; {fmt.anything(values[-1])} at last; {said}")
    legend = [style.Entry("value", style.variable(colour))]
    legend += [style.Entry("alarm from here", style.variable(style.MUTED), dashed=True)] if limits else []
    legend += [style.Entry("alarm", style.variable(bad))] if alarms else []
    return style.Picture(
        title, svg, "Bands: 95% intervals." if rows and rows[0].get("low") is not None else "", legend
    )
