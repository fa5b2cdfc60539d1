"""Keeps the results of a job as docs/results/billion.json, draws its picture, fills the tables of the pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bench import readme
from bench.billion.record import each_ns
from scalable.report.results import read_results, write_results

RECORD = Path("docs") / "results" / "billion.json"
PICTURE = RECORD.with_suffix(".svg")
_DRAWN = ("generate", "scan", "sgd", "newton", "rotate", "score")
_COLOURS = ("#4e79a7", "#9c9c9c", "#59a14f", "#edc948", "#e15759", "#b07aa1")


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
    draw(document["sections"].get("runs", []), root / PICTURE)
    readme.main(root)


def draw(runs: list[dict[str, Any]], path: Path) -> None:
    """Draw cost a row and peak memory against rows, of the stages on one machine that see all rows."""
    figure = Figure(figsize=(9.5, 3.6), layout="constrained")
    cost, memory = figure.subplots(1, 2)
    for name, colour in zip(_DRAWN, _COLOURS, strict=True):
        mine = sorted((run for run in runs if run["stage"] == name), key=lambda run: run["size"])
        whole = [(run["size"], each_ns(run)) for run in mine if each_ns(run) is not None]
        style = {"color": colour, "marker": "o", "markersize": 4, "linewidth": 1.6, "label": name}
        cost.plot([size for size, _ in whole], [each for _, each in whole], **style)
        memory.plot(
            [run["size"] for run in mine], [run["peak_memory_bytes"] / 2**30 for run in mine], **style
        )
    _dress(cost, "Wall time, ns a row")
    _dress(memory, "Peak memory of all processes, GiB")
    cost.set_yscale("log")
    cost.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    memory.set_ylim(bottom=0)
    figure.legend(*memory.get_legend_handles_labels(), loc="outside right center", frameon=False, fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasSVG(figure).print_svg(path, metadata={"Date": None})


def _dress(axes: Axes, title: str) -> None:
    axes.set_xscale("log")
    axes.set_xlabel("rows")
    axes.set_title(title, loc="left", fontsize=10)
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
