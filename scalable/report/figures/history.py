"""A benchmark from commit to commit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from scalable.report import format as fmt
from scalable.report.figures import style
from scalable.report.figures.ticks import units

FAR = 30  # beyond which ratio of largest and smallest value a linear axis shows the large ones only
WRITERS: dict[str, Callable[[float | None], str]] = {"seconds": fmt.seconds, "bytes": fmt.size}


def history(title: str, unit: str, series: Sequence[dict[str, Any]], palette: style.Palette) -> style.Picture:
    """Draw values over commits at equal distances, with their intervals as bands.

    Parameters
    ----------
    title : str
        Name of the benchmark.
    unit : str
        Unit of the values: "seconds", "bytes" or any other.
    series : sequence of dict
        ``label`` and ``points`` with ``date`` (milliseconds), ``commit``, ``value`` and, if known, ``low``, ``high``.
    """
    write = WRITERS.get(unit, _number)
    commits = {point["commit"]: point["date"] for line in series for point in line["points"]}
    order = sorted(commits, key=lambda commit: (commits[commit], commit))
    place = {commit: number for number, commit in enumerate(order)}
    values = [point["value"] for line in series for point in line["points"]]
    far = min(values) > 0 and max(values) > FAR * min(values)
    with style.canvas() as (figure, axes):
        for line in series:
            points = sorted(line["points"], key=lambda point: place[point["commit"]])
            x = [place[point["commit"]] for point in points]
            y = [point["value"] for point in points]
            low = [value if p.get("low") is None else p["low"] for p, value in zip(points, y, strict=True)]
            high = [value if p.get("high") is None else p["high"] for p, value in zip(points, y, strict=True)]
            colour = palette.colour(line["label"])
            axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)
            axes.plot(x, y, color=colour, marker="o", markersize=5)
        if far:
            axes.set_yscale("log")
        axes.set(
            ylim=(min(values) / 2, 2 * max(values)) if far else (0, 1.15 * max(values) or 1.0),
            ylabel="time" if unit == "seconds" else unit,
            xlim=(-0.3, max(len(order) - 0.7, 0.3)),
        )
        units(axes.yaxis, write, log=far)
        shown = range(0, len(order), max(1, -(-len(order) // 5)))
        axes.set_xticks(list(shown), [f"{order[n][:7]}\n{_day(commits[order[n]])}" for n in shown])
        words = "; ".join(f"{line['label']}: {write(line['points'][-1]['value'])} at last" for line in series)
        svg = style.to_svg(figure, title, words)
    labels = [palette.entry(line["label"]) for line in series] if len(series) > 1 else []
    banded = any(point.get("low") is not None for line in series for point in line["points"])
    caption = "Lower is better." + " Bands: 99% intervals." * banded + " Log scale." * far
    return style.Picture(title, svg, caption, labels)


def _number(value: float | None) -> str:
    if value is None:
        return fmt.MISSING
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _day(milliseconds: float) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%d %b")
