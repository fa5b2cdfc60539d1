"""The page of a described dataset: one HTML file with inline SVG that opens offline."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import jinja2
from matplotlib import rc_context
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from data_gen.describing.description import EMPTY, ColumnSummary, Description

_BLUE, _RED, _GREY = "#2f6db3", "#c0392b", "#5b6b7b"
# What a page's themes make of them: the style sheet has the colours.
_THEMED = {_BLUE: "var(--s1)", _RED: "var(--bad)", _GREY: "var(--muted)", "#000000": "var(--ink)"}
_MOST = 60  # histograms drawn


def render(description: Description) -> str:
    """Return a self-contained page with histograms, the label rate and the truth."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(Path(__file__).with_name("page.html.j2").read_text())
    heading, *rows = description.table()
    if "remarks" not in heading:
        heading.append("law")
        rows = [[*row, c.law] for row, c in zip(rows, description.columns, strict=True)]
    return template.render(
        name=description.name,
        rows=f"{description.total_rows:,}",
        files=description.files,
        megabytes=f"{description.bytes / 1e6:,.1f}",
        bytes_per_row=f"{description.bytes / max(description.total_rows, 1):.1f}",
        seed=description.seed,
        read=description.read,
        truth=_truth_rows(description.truth),
        target=description.target,
        label=_label_picture(description),
        heading=heading,
        rows_shown=rows,
        pictures=[_histogram(c) for c in description.columns[:_MOST]],
        knobs=sorted(description.knobs.items()),
    )


def _truth_rows(truth: dict[str, Any]) -> list[list[str]]:
    rows = []
    for name, score in truth.items():
        if isinstance(score, dict) and "realised" in score:
            values = (score.get("expected"), score["realised"], score.get("se"))
            rows.append(
                [
                    name.replace("_", " "),
                    *("" if v is None else f"{v:.6{'f' if abs(v) < 1 else 'g'}}" for v in values),
                ]
            )
    return rows


def _svg(figure: Figure) -> str:
    out = io.StringIO()
    # Text stays text: browsers have the glyphs that matplotlib's font lacks.
    with rc_context({"svg.fonttype": "none"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        FigureCanvasSVG(figure).print_svg(out, metadata={"Date": None})
    text = out.getvalue()
    for colour, variable in _THEMED.items():
        text = text.replace(colour, variable)
    return text[text.index("<svg") :]


def _figure(width: float, height: float, left: float = 0.35) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), facecolor="none")
    # fixed margins: a layout engine would draw every picture twice
    axes = figure.add_axes(
        (left / width, 0.55 / height, 1 - (left + 0.15) / width, 1 - 0.8 / height), facecolor="none"
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=7, colors=_GREY)
    return figure, axes


def _histogram(column: ColumnSummary) -> str:
    figure, axes = _figure(3.2, 2.0)
    unit = f" [{column.unit_shown}]" if column.unit_shown else ""
    axes.set_title(column.name[:40].replace("$", r"\$") + unit, fontsize=9, loc="left")
    if len(column.edges) == len(column.counts):
        labels = [
            (e[:16].replace("$", r"\$") or EMPTY) if isinstance(e, str) else column.shown(e)
            for e in column.edges
        ]
        axes.bar(range(len(labels)), column.counts, color=_BLUE)
        axes.set_xticks(range(len(labels)), labels, rotation=60 if len(labels) > 4 else 0, ha="center")
    elif column.is_time and column.edges:
        axes.stairs(column.counts, column.edges, fill=True, color=_BLUE)
        ends = (column.edges[0], column.edges[-1])
        for text, side in zip(
            axes.set_xticks(ends, [column.shown(t) for t in ends]), ("left", "right"), strict=True
        ):
            text.label1.set_ha(side)
    elif column.edges:
        axes.stairs(column.counts, column.edges, fill=True, color=_BLUE)
        widths = column.edges[1] - column.edges[0], column.edges[-1] - column.edges[-2]
        if widths[1] > 4 * abs(widths[0]) > 0:
            axes.set_xscale("symlog", linthresh=max(column.edges[1], 1e-9))
        else:
            axes.xaxis.set_major_locator(MaxNLocator(3))
            axes.xaxis.set_major_formatter(lambda value, _: column.shown(value))
    axes.set_yticks([])
    return _svg(figure)


def _label_picture(description: Description) -> str:
    if len(description.label) < 2:
        return ""
    figure, axes = _figure(9, 2.6, left=0.75)
    middle = [first + rows / 2 for first, rows, _ in description.label]
    mean = [m for _, _, m in description.label]
    binary = "auc" in description.truth
    error = [2 * (max(m * (1 - m), 0.0) / n) ** 0.5 if binary else 0.0 for _, n, m in description.label]
    axes.errorbar(
        middle,
        mean,
        yerr=error,
        fmt="o",
        ms=3,
        lw=1,
        color=_BLUE,
        label="mean of the rows, ±2 standard errors",
    )
    if binary:
        axes.axhline(description.truth["prevalence"], color=_RED, lw=1, label="mean of p(y=1|x)")
    axes.set_xlabel("row", fontsize=8, color=_GREY)
    axes.set_ylabel(f"mean of {description.target}".replace("$", r"\$"), fontsize=8, color=_GREY)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.legend(
        fontsize=7, frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1, 0.97), borderaxespad=0
    )
    return _svg(figure)
