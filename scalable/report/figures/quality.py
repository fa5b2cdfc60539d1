"""ROC and precision-recall curves and the reliability diagram, against the Bayes-optimal score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from scalable.report.figures import style
from scalable.report.figures.ticks import units
from scalable.report.format import percent, score
from scalable.report.sections import BAYES

_DASH = (0, (4, 2.5))
_REFERENCE = style.Entry(BAYES, style.variable(style.INK), dashed=True)


def _lines(axes: Any, rows: Sequence[dict[str, Any]], key: str, palette: style.Palette) -> list[style.Entry]:
    """Draw one curve a model, the reference on top and dashed, and return the legend."""
    entries = []
    for row in sorted(rows, key=lambda row: row["model"] == BAYES):
        points = np.array(row[key], dtype=float)
        known = row["model"] == BAYES
        axes.plot(
            points[:, 0],
            points[:, 1],
            clip_on=False,
            color=style.INK if known else palette.colour(row["model"]),
            linestyle=_DASH if known else "-",
            linewidth=1.4 if known else 2.4,
        )
        entries.append(_REFERENCE if known else palette.entry(row["model"]))
    return entries


def _words(rows: Sequence[dict[str, Any]], key: str, name: str) -> str:
    return "; ".join(f"{row['model']}: {name} {score(row.get(key))}" for row in rows)


def roc(rows: Sequence[dict[str, Any]], palette: style.Palette) -> style.Picture:
    """Draw ROC curves of quality rows that have one."""
    with style.canvas() as (figure, axes):
        axes.plot([0, 1], [0, 1], color=style.GRID, linewidth=1.4)
        legend = _lines(axes, rows, "roc", palette)
        axes.set(xlabel="false positive rate", ylabel="true positive rate", xlim=(0, 1), ylim=(0, 1))
        svg = style.to_svg(figure, "ROC curves", _words(rows, "auc", "AUC"))
    caption = "Up and to the left is better; the diagonal knows nothing"
    caption += ", the dashed curve is the best possible." if _REFERENCE in legend else "."
    return style.Picture("ROC", svg, caption, legend)


def precision_recall(rows: Sequence[dict[str, Any]], palette: style.Palette) -> style.Picture:
    """Draw precision-recall curves, with the prevalence as the line of no knowledge."""
    with style.canvas() as (figure, axes):
        prevalence = next((row["prevalence"] for row in rows if row.get("prevalence") is not None), None)
        if prevalence is not None:
            axes.axhline(prevalence, color=style.GRID, linewidth=1.4)
        legend = _lines(axes, rows, "pr", palette)
        axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1))
        svg = style.to_svg(figure, "Precision-recall curves", _words(rows, "average_precision", "PR-AUC"))
    caption = "What share of alarms is true, when this share of positives is to be found."
    if prevalence is not None:
        caption += f" Guessing gives {prevalence:.2%}."
    return style.Picture("Precision and recall", svg, caption, legend)


def _wants_log(rows: Sequence[dict[str, Any]]) -> bool:
    """Say whether scores crowd near zero, as they do for rare events."""
    predicted = np.array([group["predicted"] for row in rows for group in row["reliability"]])
    return bool(
        predicted.min() > 0 and np.median(predicted) < 0.05 and predicted.max() > 10 * np.median(predicted)
    )


def _joined(groups: Sequence[dict[str, float]]) -> list[dict[str, float]]:
    """Join neighbouring groups until each holds about five positives, found or predicted.

    Emptier groups are noise, and on a logarithmic axis noise is what one would see.
    """
    joined: list[dict[str, float]] = []
    enough = True
    for group in groups:
        if enough:
            joined.append(dict(group))
        else:
            last, total = joined[-1], joined[-1]["weight"] + group["weight"]
            for key in ("predicted", "observed"):
                last[key] += (group[key] - last[key]) * group["weight"] / total
            last["weight"] = total
        last = joined[-1]
        last["error"] = max(last["predicted"] * (1 - last["predicted"]) / last["weight"], 0.0) ** 0.5
        enough = last["weight"] * max(last["predicted"], last["observed"]) >= 5
    return joined


def reliability(rows: Sequence[dict[str, Any]], palette: style.Palette) -> style.Picture:
    """Draw observed rates against predicted ones, bars being two standard errors."""
    log = _wants_log(rows)
    if log:
        rows = [{**row, "reliability": _joined(row["reliability"])} for row in rows]
    with style.canvas() as (figure, axes):
        everything = [g[key] for row in rows for g in row["reliability"] for key in ("predicted", "observed")]
        low = 0.7 * min(value for value in everything if value > 0) if log else 0.0
        high = min(1.4 * max(everything), 1.0) if log else max(1.04 * max(everything), 1e-9)
        if log:
            axes.set(xscale="log", yscale="log")
        axes.plot([low, high], [low, high], color=style.INK, linewidth=1.4, linestyle=_DASH)
        legend = []
        for row in rows:
            if row["model"] == BAYES:
                continue  # the diagonal is its curve
            groups = row["reliability"]
            x = np.array([group["predicted"] for group in groups])
            y = np.array([group["observed"] for group in groups])
            spread = 2 * np.array([group.get("error") or 0.0 for group in groups])
            shown = np.maximum(y, low)
            reach = np.array(
                [shown - np.maximum(y - spread, low), np.minimum(y + spread, high) - shown]
            ).clip(0)
            colour = palette.colour(row["model"])
            axes.errorbar(
                np.maximum(x, low),
                shown,
                yerr=reach,
                color=colour,
                marker="o",
                markersize=5,
                linewidth=1.6,
                elinewidth=1.2,
                alpha=0.95,
            )
            legend.append(palette.entry(row["model"]))
        axes.set(
            xlabel="mean predicted probability", ylabel="observed rate", xlim=(low, high), ylim=(low, high)
        )
        for axis in (axes.xaxis, axes.yaxis):
            units(axis, percent, log)
        words = _words(rows, "calibration_error", "calibration error")
        svg = style.to_svg(figure, "Reliability diagram", words)
    caption = "Bars: two standard errors. On the dashed line a score of 20% comes true one time in five."
    legend.append(style.Entry("perfectly calibrated", style.variable(style.INK), dashed=True))
    return style.Picture("Reliability", svg, caption, legend)
