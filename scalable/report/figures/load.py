"""Latency against offered load."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scalable.report.figures import style
from scalable.report.figures.ticks import units
from scalable.report.format import count, micros

QUANTILES = ("p50", "p90", "p99", "p99.9")


def latency_by_load(steps: Sequence[dict[str, Any]], palette: style.Palette) -> style.Picture:
    """Draw a line a quantile over the offered requests a second, both on logarithmic axes."""
    title = "Latency against load"
    known = [name for name in QUANTILES if all(step.get(f"{name}_us") for step in steps)]
    with style.canvas(style.WIDTH * 1.4) as (figure, axes):
        axes.set_xscale("log")
        axes.set_yscale("log")
        for name in known:
            axes.plot(
                [step["rate"] for step in steps],
                [step[f"{name}_us"] for step in steps],
                marker="o",
                markersize=4,
                color=palette.colour(name),
            )
        axes.set(xlabel="requests a second", ylabel="latency")
        units(axes.xaxis, count, log=True)
        units(axes.yaxis, micros, log=True)
        words = "; ".join(f"{count(step['rate'])} a second: p99 {micros(step['p99_us'])}" for step in steps)
        svg = style.to_svg(figure, title, words)
    caption = "Where the lines turn up, requests begin to wait for each other."
    return style.Picture(title, svg, caption, [palette.entry(name) for name in known])
