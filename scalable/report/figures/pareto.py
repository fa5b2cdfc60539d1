"""Quality against time: who is not beaten on both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from scalable.report import format as fmt
from scalable.report.figures import labels, style
from scalable.report.figures.ticks import units


@dataclass(frozen=True, slots=True)
class Contender:
    """One point: name, time in seconds, quality, and whether it is this project's."""

    name: str
    seconds: float
    quality: float
    ours: bool = False


def front(points: Sequence[Contender], larger: bool) -> list[Contender]:
    """Return the contenders that no other beats in time without losing quality, fastest first."""
    sign = 1 if larger else -1
    best: list[Contender] = []
    for point in sorted(points, key=lambda p: (p.seconds, -sign * p.quality)):
        if not best or sign * point.quality > sign * best[-1].quality:
            best.append(point)
    return best


def pareto(
    title: str, metric: str, larger: bool, points: Sequence[Contender], palette: style.Palette
) -> style.Picture:
    """Draw contenders, numbered from the fastest on, the front as a step line; the good corner is on the left."""
    points = sorted(points, key=lambda point: point.seconds)
    with style.canvas() as (figure, axes):
        best = front(points, larger)
        axes.set_xscale("log")
        for point in points:
            axes.plot(
                point.seconds,
                point.quality,
                marker="D" if point.ours else "o",
                markersize=9 if point.ours else 8,
                color=palette.colour(point.name),
                markeredgecolor=style.SURFACE,
                markeredgewidth=1.2,
                clip_on=False,
                zorder=3,
            )
        low, high = (f(p.seconds for p in points) for f in (min, max))
        axes.set_xlim(low / 1.6, high * 1.6)
        axes.step(
            [*(p.seconds for p in best), high * 1.6],
            [*(p.quality for p in best), best[-1].quality],
            where="post",
            color=style.MUTED,
            linewidth=1.3,
            linestyle=(0, (4, 2.5)),
        )
        if not larger:
            axes.invert_yaxis()
        axes.margins(y=0.12)
        axes.set(xlabel="time", ylabel=metric)
        units(axes.xaxis, fmt.seconds, log=True)
        figure.draw_without_rendering()  # settles the axes, so that numbers stay beside their points
        figure.set_layout_engine("none")
        labels.place(
            axes,
            [(point.seconds, point.quality) for point in points],
            [str(number) for number, _ in enumerate(points, 1)],
            [style.INK for _ in points],
            11,
        )
        words = "; ".join(
            f"{p.name}: {fmt.seconds(p.seconds)}, {metric} {fmt.score(p.quality)}" for p in points
        )
        svg = style.to_svg(figure, title, words)
    caption = "Up is better, left is faster (log scale). Nobody on the dashed line is beaten on both."
    if any(point.ours for point in points):
        caption += " Diamonds are ours."
    legend = [palette.entry(point.name) for point in points]
    numbered = [replace(entry, name=f"{number} {entry.name}") for number, entry in enumerate(legend, 1)]
    return style.Picture(title, svg, caption, numbered)
