"""The plots of the documentation, drawn from recorded runs: ``python -m bench.plots``.

A picture ``docs/results/NAME.svg`` says in its metadata which record it was drawn from and the SHA-256 of the
figures drawn; a test compares that with the record, so a picture cannot fall behind, whatever draws it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results"
OURS, THEIRS = "#c2410c", "#64748b"
# Inches: panels stand below each other, so that a telephone shows their text as large as the page's.
WIDTH = 4.8
Figures = dict[str, Any]
STYLE = {"svg.fonttype": "none", "svg.hashsalt": "plots", "font.size": 9, "axes.spines.top": False,
         "axes.spines.right": False}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plot:
    """One picture.

    Attributes
    ----------
    record : str
        Name of the results document it shows.
    figures : callable
        From the sections of the document to the numbers drawn, as JSON's types.
    draw : callable
        From these numbers to the picture.
    """

    record: str
    figures: Callable[[dict[str, Any]], Figures]
    draw: Callable[[Figures], Figure]


def latency_figures(sections: dict[str, Any]) -> Figures:
    """Return microseconds a row (median call) by rows a call and engine, one thread."""
    return {
        batch: {row["engine"]: row["p50_us"] / int(batch) for row in rows if "p50_us" in row and row["threads"] == 1}
        for batch, rows in sections["latency"].items()
        if batch in ("1", "1000", "100000")
    }  # fmt: skip


def draw_latency(figures: Figures) -> Figure:
    """Draw a panel of bars a number of rows a call."""
    figure = Figure(figsize=(WIDTH, 2 * len(figures)), layout="constrained")
    for axes, (batch, times) in zip(figure.subplots(len(figures)), figures.items(), strict=True):
        _bars(axes, times)
        rows = f"{int(batch):,} rows a call" if batch != "1" else "one row a call"
        axes.set(title=rows, xlabel="µs a row, median call")
    return figure


def steps_figures(sections: dict[str, Any]) -> Figures:
    """Return microseconds a row once each step is in."""
    (waterfall,) = sections["waterfall"]
    return {step["name"]: step["value"] for step in waterfall["steps"]}


def draw_steps(figures: Figures) -> Figure:
    """Draw one bar a step."""
    figure = Figure(figsize=(WIDTH, 2.8), layout="constrained")
    axes = figure.subplots()
    _bars(axes, figures, ours=list(figures)[1:])
    axes.set(xlabel="µs a row, 1,000 rows a call, fastest call")
    return figure


def _bars(axes: Axes, values: dict[str, float], ours: list[str] | None = None) -> None:
    names = list(values)
    colours = [OURS if name in (ours or ["scalable"]) else THEIRS for name in names]
    bars = axes.barh(names, list(values.values()), color=colours, height=0.65)
    axes.bar_label(bars, [f"{value:.3g}" for value in values.values()], padding=3)
    axes.invert_yaxis()
    axes.set_xlim(0, max(values.values()) * 1.2)


def svm_figures(sections: dict[str, Any]) -> Figures:
    """Return rows, seconds, memory and microseconds a prediction by learner, and the slope fitted to the seconds."""
    learners: Figures = {}
    for row in sections["fits"]:
        known = learners.setdefault(row["learner"], {"rows": [], "seconds": [], "gib": [], "predict_us": []})
        known["rows"].append(row["rows"])
        known["seconds"].append(row["seconds"])
        known["gib"].append(row["peak_memory_bytes"] / 2**30)
        known["predict_us"].append(row["predict_us"])
        if "kernel_matrix_bytes" in row:
            known.setdefault("kernel_matrix_gib", []).append(row["kernel_matrix_bytes"] / 2**30)
    for known in learners.values():
        known["exponent"] = exponent(known["rows"], known["seconds"])
    return learners


def exponent(rows: list[int], seconds: list[float]) -> float:
    """Return b of the least-squares fit of ``log seconds = a + b log rows``."""
    x, y = [math.log(n) for n in rows], [math.log(t) for t in seconds]
    middle, level = sum(x) / len(x), sum(y) / len(y)
    spread = sum((u - middle) ** 2 for u in x)
    return sum((u - middle) * (v - level) for u, v in zip(x, y, strict=True)) / spread


def draw_svm(figures: Figures) -> Figure:
    """Draw time, memory and the cost of a prediction against rows."""
    figure = Figure(figsize=(WIDTH, 8.4), layout="constrained")
    panels = figure.subplots(3)
    titles = {"seconds": "fit, seconds", "gib": "peak memory, GiB", "predict_us": "one prediction, µs"}
    for axes, (key, title) in zip(panels, titles.items(), strict=True):
        for (name, known), colour in zip(figures.items(), ("#7c3aed", THEIRS, OURS), strict=True):
            label = f"{name} (n^{known['exponent']:.2f})"
            axes.plot(known["rows"], known[key], "o-", ms=4, color=colour, label=label)
            if key == "gib" and "kernel_matrix_gib" in known:
                axes.plot(
                    known["rows"], known["kernel_matrix_gib"], ":", color=colour, label="its kernel matrix"
                )
        axes.set(xscale="log", yscale="log", xlabel="rows trained on", title=title)
    panels[0].legend(fontsize=7, frameon=False, loc="lower right")
    panels[1].legend(panels[1].lines[1:2], ["the kernel matrix, if it were held"], fontsize=7, frameon=False)
    return figure


PLOTS = {
    "inference_latency": Plot("inference_latency", latency_figures, draw_latency),
    "inference_steps": Plot("inference_steps", steps_figures, draw_steps),
    "svm_scaling": Plot("svm_scaling", svm_figures, draw_svm),
}

ELSEWHERE = ("bench.billion.page", "bench.peers.picture")  # modules with a plot of their own


def figures_of(plot: Plot) -> Figures:
    """Return the numbers a picture of the present record shows."""
    from scalable.report.results import read_results

    return plot.figures(read_results(RESULTS / f"{plot.record}.json")["sections"])


def origin(plot: Plot, figures: Figures) -> str:
    """Return the note that a picture of these figures carries."""
    digest = hashlib.sha256(json.dumps(figures, sort_keys=True).encode()).hexdigest()
    return f"drawn by python -m bench.plots from docs/results/{plot.record}.json, figures {digest}"


def write_picture(plot: Plot, figures: Figures, path: Path) -> None:
    """Draw figures, with the note on their origin, to an SVG file; the same figures give the same bytes."""
    with mpl.rc_context(STYLE):
        metadata = {"Date": None, "Description": origin(plot, figures)}
        FigureCanvasSVG(plot.draw(figures)).print_svg(path, metadata=metadata)


def main() -> None:
    """Draw every picture again."""
    for name, plot in PLOTS.items():
        write_picture(plot, figures_of(plot), RESULTS / f"{name}.svg")
    for module in ELSEWHERE:
        plot = import_module(module).PLOT
        if (RESULTS / f"{plot.record}.json").exists():  # takes hours to record, so a checkout may be without
            write_picture(plot, figures_of(plot), RESULTS / f"{plot.record}.svg")


if __name__ == "__main__":
    main()
