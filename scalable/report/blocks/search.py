"""A search of parameters: its rungs, its trials, and where the good ones lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scalable.report import format as fmt
from scalable.report.blocks.block import Block, Card, Column, table
from scalable.report.figures import style
from scalable.report.figures.style import Palette

MOST_PARAMETERS = 8  # that are drawn


def search_block(section: dict[str, Any], palette: Palette) -> Block:
    """Return the block of a ``search`` section, as `scalable.tuning.search.Search.to_json` makes it."""
    trials, best, metric = section["trials"], section["best"], section["metric"]
    names = list(best["params"])
    drawn = [trial for trial in trials if trial["curve"]]
    pictures = [_curves(drawn, section)]
    pictures += [_parameter(name, drawn, section) for name in names[:MOST_PARAMETERS]]
    counts = {status: sum(trial["status"] == status for trial in trials) for status in ("pruned", "failed")}
    cards = [
        Card("Best", fmt.score(best["value"]), f"{metric} on held-out rows, trial {best['trial']}", "good"),
        Card("Trials", str(len(trials)), ", ".join(f"{n} {status}" for status, n in counts.items() if n)),
    ]
    order = sorted(
        trials,
        key=lambda one: (-one["budget"], one["value"] is None, (one["value"] or 0.0) * _sign(section)),
    )
    rows = [
        {**one, **{f"of {name}": one["params"][name] for name in names}, "fault": one["fault"] or None}
        for one in order
    ]
    columns: tuple[Column, ...] = (
        ("Trial", "trial", str),
        *((name, f"of {name}", fmt.anything) for name in names),
        (metric.replace("_", " "), "value", fmt.score),
        ("At", "at", fmt.count),
        ("Budget", "budget", fmt.count),
        ("Status", "status", str),
        ("Why", "fault", str),
    )
    rungs = ", ".join(f"{rung['trials']} to {rung['budget']:,}" for rung in section["rungs"])
    lead = (
        f"Successive halving of {section['learner']}: trials brought to so many {section['unit']}: {rungs}."
    )
    notes = []
    if len(names) > MOST_PARAMETERS:
        notes.append(f"{len(names) - MOST_PARAMETERS} more parameters are in the table only.")
    return Block(
        "search", "Search", lead, cards, pictures, [table(rows, columns, "Trials, the best first")], notes
    )


def _sign(section: dict[str, Any]) -> float:
    return -1.0 if section["higher_is_better"] else 1.0


FADED = {"pruned": 0.35, "finished": 0.9}


def _curves(trials: Sequence[dict[str, Any]], section: dict[str, Any]) -> style.Picture:
    """Draw the metric of every trial against its budget; the best one stands out."""
    title, best = "How far each trial came", section["best"]["trial"]
    rungs = [rung["budget"] for rung in section["rungs"]]
    with style.canvas(style.WIDTH * 1.4) as (figure, axes):
        for trial in sorted(trials, key=lambda one: (one["trial"] == best, one["budget"])):
            chosen = trial["trial"] == best
            xs, ys = zip(*trial["curve"], strict=True)
            axes.plot(
                xs,
                ys,
                color=style.SERIES[1] if chosen else style.SERIES[0],
                alpha=1.0 if chosen else FADED.get(trial["status"], 0.35),
                linewidth=2.4 if chosen else 1.2,
                marker="o" if len(xs) == 1 else None,
                markersize=4,
            )
        for rung in rungs:
            axes.axvline(rung, color=style.MUTED, linewidth=0.9, linestyle=(0, (4, 2.5)))
        if min(rungs) * 8 < max(rungs):
            axes.set_xscale("log")
        axes.set(xlabel=section["unit"], ylabel=section["metric"].replace("_", " "))
        words = f"{len(trials)} trials; the best reached {fmt.score(section['best']['value'])}"
        svg = style.to_svg(figure, title, words)
    legend = [
        style.Entry(f"trial {best}, the best", style.variable(style.SERIES[1])),
        style.Entry("the others", style.variable(style.SERIES[0])),
    ]
    return style.Picture(title, svg, "Dashed: rungs, where the worse trials ended.", legend)


def _parameter(name: str, trials: Sequence[dict[str, Any]], section: dict[str, Any]) -> style.Picture:
    """Draw the metric that every trial reached against one parameter, darker the more budget it had."""
    known = [trial for trial in trials if trial["value"] is not None]
    values = [trial["params"][name] for trial in known]
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    places = sorted({str(value) for value in values})
    most, best = max(trial["budget"] for trial in known), section["best"]["trial"]
    with style.canvas() as (figure, axes):
        for trial, value in zip(known, values, strict=True):
            chosen = trial["trial"] == best
            axes.plot(
                value if numeric else places.index(str(value)),
                trial["value"],
                marker="D" if chosen else "o",
                markersize=8 if chosen else 6,
                color=style.SERIES[1] if chosen else style.SERIES[0],
                alpha=1.0 if chosen else 0.25 + 0.6 * trial["budget"] / most,
                markeredgecolor=style.SURFACE,
                linestyle="none",
            )
        if not numeric:
            axes.set_xticks(range(len(places)), places)
        elif min(values) > 0 and max(values) > 20 * min(values):
            axes.set_xscale("log")
        axes.margins(x=0.08, y=0.12)
        axes.set(xlabel=name, ylabel=section["metric"].replace("_", " "))
        words = "; ".join(
            f"{value}: {fmt.score(trial['value'])}" for trial, value in zip(known, values, strict=True)
        )
        svg = style.to_svg(figure, name, words)
    return style.Picture(name, svg, "Darker trials had more budget; the diamond is the best.")
