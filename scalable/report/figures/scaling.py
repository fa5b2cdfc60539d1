"""What more rows and more workers do to cost and memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from scalable.report import format as fmt
from scalable.report.figures import style
from scalable.report.figures.ticks import units

Points = Sequence[tuple[float, float]]


def _lines(
    title: str,
    series: Mapping[str, Points],
    palette: style.Palette,
    x: tuple[str, Callable[[float], str]],
    y: tuple[str, Callable[[float], str]],
    caption: str,
    log_y: bool = False,
    log_x: bool = True,
    extra: Callable[[Any], None] | None = None,
) -> style.Picture:
    """Draw one marked line a series."""
    with style.canvas() as (figure, axes):
        axes.set_xscale("log" if log_x else "linear")
        for name, points in series.items():
            ordered = sorted(points)
            axes.plot(*zip(*ordered, strict=True), color=palette.colour(name), marker="o", markersize=6)
        if log_y:
            axes.set_yscale("log")
            low, high = axes.get_ylim()
            if high / low < 10:  # keep noise from looking like a trend
                axes.set_ylim((low * high / 10) ** 0.5, (low * high * 10) ** 0.5)
        else:
            axes.set_ylim(0, 1.15 * max(value for points in series.values() for _, value in points))
        axes.set(xlabel=x[0], ylabel=y[0])
        units(axes.xaxis, x[1], log=log_x)
        units(axes.yaxis, y[1], log=log_y)
        if extra is not None:
            extra(axes)
        words = "; ".join(
            f"{name}: " + ", ".join(f"{y[1](value)} at {x[1](place)}" for place, value in sorted(points))
            for name, points in series.items()
        )
        svg = style.to_svg(figure, title, words)
    return style.Picture(title, svg, caption, [palette.entry(name) for name in series])


def cost_per_row(series: Mapping[str, Points], palette: style.Palette) -> style.Picture:
    """Draw time a row against rows: points are (rows, seconds a row)."""
    return _lines(
        "Cost of a row as data grows",
        series,
        palette,
        ("rows", fmt.count),
        ("time a row", fmt.seconds),
        "Flat means that ten times the rows take ten times as long. Both axes are logarithmic.",
        log_y=True,
    )


def throughput(series: Mapping[str, Points], palette: style.Palette) -> style.Picture:
    """Draw rows a second against rows a call: points are (rows a call, rows a second)."""
    return _lines(
        "Throughput against batch size",
        series,
        palette,
        ("rows a call", fmt.count),
        ("rows a second", fmt.count),
        "What a call costs before its first row weighs less, the more rows it brings. Both axes are logarithmic.",
        log_y=True,
    )


def memory(series: Mapping[str, Points], palette: style.Palette) -> style.Picture:
    """Draw peak memory against rows: points are (rows, bytes)."""
    return _lines(
        "Memory as data grows",
        series,
        palette,
        ("rows", fmt.count),
        ("peak memory", fmt.size),
        "Flat means that memory does not grow with the data; the axis starts at zero.",
    )


def workers(series: Mapping[str, Points], palette: style.Palette) -> style.Picture:
    """Draw speed-up against workers: points are (workers, times faster than the fewest workers)."""

    def ideal(axes: Any) -> None:
        places = sorted({place for points in series.values() for place, _ in points})
        axes.plot(
            places,
            [place / places[0] for place in places],
            color=style.INK,
            linewidth=1.3,
            linestyle=(0, (4, 2.5)),
        )
        axes.set_ylim(0, max(axes.get_ylim()[1], 1.05 * places[-1] / places[0]))
        axes.set_xticks(places)

    picture = _lines(
        "Speed-up with workers",
        series,
        palette,
        ("workers", fmt.count),
        ("times faster", fmt.factor),
        "The dashed line is twice the speed for twice the workers.",
        log_x=False,
        extra=ideal,
    )
    picture.legend.append(style.Entry("ideal", style.variable(style.INK), dashed=True))
    return picture
