"""Keeps the results of a job as docs/results/billion.json, draws its picture, fills the tables of the pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bench import readme
from bench.billion.record import each_ns
from bench.plots import WIDTH, Figures, Plot, write_picture
from scalable.report.results import read_results, write_results

RECORD = Path("docs") / "results" / "billion.json"
PICTURE = RECORD.with_suffix(".svg")
_COLOURS = {
    "generate": "#4e79a7", "scan": "#9c9c9c", "sgd": "#59a14f", "newton": "#edc948", "rotate": "#c2410c",
    "score": "#b07aa1",
}  # fmt: skip


def record(results: Path, root: Path = readme.ROOT) -> None:
    """Copy a results document into the repository and bring what shows it up to date.

    Parameters
    ----------
    results : Path
        ``results.json`` of a job, finished or not.
    root : Path
        Checkout that holds ``docs``.
    """
    document = read_results(results)
    write_results(root / RECORD, document)
    write_picture(PLOT, PLOT.figures(document["sections"]), root / PICTURE)
    readme.main(root)


def figures(sections: dict[str, Any]) -> Figures:
    """Return rows, nanoseconds a row (None where a run was interrupted) and GiB of the stages that see all rows."""
    found: Figures = {}
    for run in sorted(sections.get("runs", []), key=lambda run: int(run["size"])):
        if run["stage"] in _COLOURS:
            known = found.setdefault(run["stage"], {"rows": [], "ns": [], "gib": []})
            known["rows"].append(run["size"])
            known["ns"].append(each_ns(run))
            known["gib"].append(run["peak_memory_bytes"] / 2**30)
    return found


def draw(figures: Figures) -> Figure:
    """Draw cost a row and peak memory against rows."""
    figure = Figure(figsize=(WIDTH, 6), layout="constrained")
    cost, memory = figure.subplots(2)
    for axes, key, title in ((cost, "ns", "wall time, ns a row"), (memory, "gib", "peak memory, GiB")):
        for name, known in figures.items():
            axes.plot(known["rows"], [float("nan") if value is None else value for value in known[key]], "o-",
                      ms=4, color=_COLOURS[name], label=name)  # fmt: skip
        axes.set(xscale="log", xlabel="rows", title=title)
        axes.grid(axis="y", color="#e6e6e6", linewidth=0.8)
        axes.set_axisbelow(True)
    cost.set_yscale("log")
    cost.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    memory.set_ylim(bottom=0)
    figure.legend(*memory.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return figure


PLOT = Plot("billion", figures, draw)
