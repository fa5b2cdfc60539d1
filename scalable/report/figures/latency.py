"""Distributions of latency on a log scale, and speed-ups over the baseline engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from scalable.report.figures import bars, style
from scalable.report.figures.ticks import units
from scalable.report.format import factor, micros, percent


def baseline(rows: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the engine that others are compared with: the one so marked, else LightGBM's own."""
    marked = [row for row in rows if row.get("baseline")]
    native = [row for row in rows if "booster.predict" in str(row.get("engine", "")).lower()]
    return next(iter(marked or native), None)


def distribution(batch: str, rows: Sequence[dict[str, Any]], palette: style.Palette) -> style.Picture:
    """Draw the share of calls that finish within a time, one curve an engine, p50 and p99 marked."""
    name = "One row at a time" if str(batch) == "1" else f"{int(batch):,} rows a call"
    with style.canvas() as (figure, axes):
        axes.set_xscale("log")
        slowest = fastest = None
        for row in rows:
            points = np.array(row["quantiles_us"], dtype=float)
            colour = palette.colour(row["engine"])
            axes.plot(points[:, 1], points[:, 0], color=colour, drawstyle="steps-post")
            for mark, key in ((0.5, "p50_us"), (0.99, "p99_us")):
                if row.get(key) is not None:
                    axes.plot(row[key], mark, "o", color=colour, markersize=7, markeredgecolor=style.SURFACE)
            last = max(float(np.interp(0.999, points[:, 0], points[:, 1])), row.get("p99_us") or 0.0)
            slowest = max(slowest or last, last)
            fastest = min(fastest or points[0, 1], points[0, 1])
        if fastest and slowest:
            axes.set_xlim(fastest / 1.15, slowest * 1.15)
        axes.set(ylim=(0, 1.02), ylabel="share of calls", xlabel="time a call")
        units(axes.xaxis, micros, log=True)
        units(axes.yaxis, percent)
        words = "; ".join(
            f"{row['engine']}: p50 {micros(row['p50_us'])}, p99 {micros(row.get('p99_us'))}" for row in rows
        )
        svg = style.to_svg(figure, f"Latency, {name.lower()}", words)
    caption = "Further left is faster, steeper is steadier. Dots: p50 and p99. Log scale, cut at p99.9."
    return style.Picture(name, svg, caption, [palette.entry(row["engine"]) for row in rows])


def speedups(batch: str, rows: Sequence[dict[str, Any]], palette: style.Palette) -> style.Picture | None:
    """Draw how many times faster each engine is than the baseline at the median; None without a baseline."""
    base = baseline(rows)
    if base is None or len(rows) < 2:
        return None
    items = [
        bars.Bar(
            row["engine"],
            base["p50_us"] / row["p50_us"],
            factor(base["p50_us"] / row["p50_us"]),
            palette.colour(row["engine"]),
        )
        for row in rows
        if row.get("p50_us")
    ]
    items.sort(key=lambda item: -item.value)
    name = "one row" if str(batch) == "1" else f"{int(batch):,} rows"
    return bars.bars(f"Speed-up, {name}", items, f"Median time of {base['engine']} divided by the engine's.")
