"""Contributions of columns: mean sizes, their distribution (beeswarm), and how they depend on the values of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.report.figures import style
from scalable.report.figures.bars import Bar, bars
from scalable.report.format import anything, score

POINTS, CATEGORIES = 300, 8  # drawn a column: each point is an element of the page
ROW = 34
LOW, HIGH, OTHER = style.SERIES[0], style.SERIES[1], style.MUTED


def mean_sizes(title: str, columns: Sequence[dict[str, Any]], palette: style.Palette) -> style.Picture:
    """Draw the mean size of each column's contributions."""
    items = [Bar(c["column"], c["mean_abs"], score(c["mean_abs"]), LOW) for c in columns]
    return bars(title, items, "Mean absolute contribution to the score, over all rows.")


def swarm(title: str, columns: Sequence[dict[str, Any]], palette: style.Palette) -> style.Picture:
    """Draw a sample of each column's contributions, coloured by whether the column's value is low or high."""
    with style.canvas(style.WIDTH * 1.4, ROW * len(columns) + 50) as (figure, axes):
        axes.axvline(0.0, color=style.GRID, linewidth=1.4)
        for place, column in enumerate(columns):
            at = _thinned(len(column["contributions"]))
            x = np.asarray(column["contributions"], float)[at]
            y = place + _spread(x)
            thirds = _thirds([column["values"][i] for i in at])
            for group, colour in enumerate((OTHER, LOW, HIGH)):
                chosen = thirds == group
                axes.plot(
                    x[chosen], y[chosen], ".", color=colour, markersize=3.5, alpha=0.7, markeredgewidth=0
                )
        axes.set_yticks(range(len(columns)), [_short(c["column"]) for c in columns])
        axes.set_ylim(len(columns) - 0.4, -0.6)
        axes.set(xlabel="contribution to the score")
        axes.grid(visible=False, axis="y")
        words = "; ".join(f"{c['column']}: mean size {score(c['mean_abs'])}" for c in columns)
        svg = style.to_svg(figure, title, words)
    caption = f"Up to {POINTS} rows a column. Right of the line: the column raised the score."
    legend = [
        style.Entry("low value", style.variable(LOW)),
        style.Entry("high value", style.variable(HIGH)),
        style.Entry("between, text or missing", style.variable(OTHER)),
    ]
    return style.Picture(title, svg, caption, legend)


def dependence(column: dict[str, Any], whose: str, palette: style.Palette) -> style.Picture:
    """Draw the contributions of one column against its values, or by its most frequent categories."""
    title = f"{column['column']}{whose}"
    at = _thinned(len(column["contributions"]))
    values = [column["values"][i] for i in at]
    y = np.asarray(column["contributions"], float)[at]
    known = [value for value in values if value is not None]
    with style.canvas() as (figure, axes):
        axes.axhline(0.0, color=style.GRID, linewidth=1.4)
        if any(isinstance(value, str) for value in known):
            names = [name for name, _ in Counter(known).most_common(CATEGORIES)]
            x = np.array([names.index(v) if v in names else len(names) for v in values], float)
            shown = [*names, "others"] if (x == len(names)).any() else names
            axes.set_xticks(range(len(shown)), [_short(n, 12) for n in shown], rotation=40, ha="right")
            x += np.random.default_rng(0).uniform(-0.25, 0.25, len(x))
        else:
            x = np.array([np.nan if v is None else v for v in values], float)
            _numeric(axes, x)
        axes.plot(x, y, ".", color=LOW, markersize=4, alpha=0.7, markeredgewidth=0)
        axes.set(xlabel=_short(column["column"], 40), ylabel="contribution")
        svg = style.to_svg(figure, title, f"mean size {score(column['mean_abs'])}")
    missing = len(values) - len(known)
    return style.Picture(title, svg, f"{missing} of {len(values)} points have no value." if missing else "")


def _numeric(axes: Any, x: NDArray[np.float64]) -> None:
    """Choose a logarithmic axis where values crowd near zero, and dates where they are times."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    finite = x[np.isfinite(x)]
    if len(finite) and finite.min() > 0 and finite.max() > 100 * np.median(finite):
        axes.set_xscale("log")
        return
    dates = len(finite) > 0 and finite.min() > 1e8 and finite.max() < 4e9  # seconds from 1973 to 2096
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _date(value) if dates else anything(value)))


def _date(value: float) -> str:
    return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d")


def _thinned(n: int) -> NDArray[np.intp]:
    return np.unique(np.linspace(0, n - 1, min(n, POINTS)).astype(np.intp)) if n else np.empty(0, np.intp)


def _thirds(values: Sequence[Any]) -> NDArray[np.int64]:
    """Return 1 for the lowest third of numbers, 2 for the highest, 0 for what is between, text or missing."""
    numeric = np.array([v if isinstance(v, (int, float)) else np.nan for v in values], float)
    out = np.zeros(len(values), np.int64)
    if np.isfinite(numeric).any():
        low, high = np.nanquantile(numeric, [1 / 3, 2 / 3])
        out[numeric <= low] = 1
        out[(numeric >= high) & (numeric > low)] = 2
    return out


def _spread(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far each point stands off its line, so that near ones lie side by side."""
    width = (x.max() - x.min()) / 60 if len(x) and x.max() > x.min() else 1.0
    bins = ((x - x.min()) / width).astype(int) if len(x) else np.empty(0, int)
    seen: Counter[int] = Counter()
    out = np.zeros(len(x))
    for i, one in enumerate(bins.tolist()):
        k = seen[one]
        out[i] = (1 if k % 2 else -1) * ((k + 1) // 2)
        seen[one] += 1
    most = np.abs(out).max(initial=0.0)
    return out * min(0.06, 0.4 / most) if most else out


def _short(name: str, most: int = 24) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
