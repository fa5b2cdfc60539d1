"""The picture of a side-by-side run: quality against time, and who is not beaten on both."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from bench.plots import OURS, THEIRS, WIDTH, Figures, Plot
from scalable.report.figures import labels
from scalable.report.figures.pareto import Contender, front

JOBS = {"linear": "logistic models", "boosting": "forests"}


def figures(sections: dict[str, Any]) -> Figures:
    """Return seconds (median, least, most) and AUC of those who learned, by job and contender."""
    found: Figures = {}
    for row in sections["peers"]:
        if row["job"] in JOBS and row["status"] == "ok" and "quality" in row:
            seconds = [row[key] for key in ("seconds", "least_seconds", "most_seconds")]
            known = {"seconds": seconds, "auc": row["quality"]["auc"], "ours": row["ours"]}
            found.setdefault(row["job"], {})[row["peer"]] = known
    return found


def draw(figures: Figures) -> Figure:
    """Draw a panel a job; a name stands where no other one does."""
    figure = Figure(figsize=(WIDTH, 3.6 * max(1, len(figures))), layout="constrained")
    panels = figure.subplots(max(1, len(figures)), squeeze=False)[:, 0]
    for axes, (job, contenders) in zip(panels, figures.items(), strict=False):
        axes.set(xscale="log", title=JOBS[job], xlabel="seconds, from Parquet to a model (log scale)")
        axes.set_ylabel("AUC on held-out rows")
        for known in contenders.values():
            colour = OURS if known["ours"] else THEIRS
            middle, least, most = known["seconds"]
            axes.plot([least, most], [known["auc"]] * 2, color=colour, lw=1.5, alpha=0.5)
            axes.plot(middle, known["auc"], "D" if known["ours"] else "o", color=colour, ms=6)
        _front(axes, contenders)
        axes.margins(x=0.2, y=0.14)
        axes.grid(color="#e6e6e6", linewidth=0.8)
        axes.set_axisbelow(True)
        low, high = axes.get_xlim()
        if high < 100 * low:  # within two decades powers of ten may leave an axis without a number
            axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    figure.draw_without_rendering()  # places the panels, so that names can be kept apart
    figure.set_layout_engine("none")
    for axes, contenders in zip(panels, figures.values(), strict=False):
        _names(axes, contenders)
    return figure


def _front(axes: Axes, contenders: Figures) -> None:
    """Draw the line of those whom nobody beats on both."""
    points = [Contender(name, known["seconds"][0], known["auc"]) for name, known in contenders.items()]
    best = front(points, larger=True)
    right = max(point.seconds for point in points)
    axes.step(
        [*(point.seconds for point in best), right], [*(point.quality for point in best), best[-1].quality],
        where="post", color="#9c9c9c", linestyle="--", linewidth=1,
    )  # fmt: skip


def _names(axes: Axes, contenders: Figures) -> None:
    points = [(known["seconds"][0], known["auc"]) for known in contenders.values()]
    labels.place(
        axes,
        points,
        list(contenders),
        [OURS if known["ours"] else "#334155" for known in contenders.values()],
        8,
    )


PLOT = Plot("versus", figures, draw)
