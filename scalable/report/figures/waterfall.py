"""What each optimisation brought, in the order applied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scalable.report import format as fmt
from scalable.report.figures import style


def waterfall(
    title: str, unit: str, steps: Sequence[dict[str, Any]], larger_is_better: bool = False
) -> style.Picture:
    """Draw the value after each step as a bar, and what the step gained or lost as its coloured end.

    Parameters
    ----------
    title, unit : str
        Heading, and the unit of the values.
    steps : sequence of dict
        ``name`` and ``value``, the first being the start.
    larger_is_better : bool
        Whether a growing value is a gain.
    """
    row = 46
    gain, loss = style.SERIES[2], style.SERIES[4]
    with style.canvas(style.WIDTH, row * len(steps) + 14) as (figure, axes):
        longest = max(step["value"] for step in steps) or 1.0
        words = []
        for place, step in enumerate(steps):
            value, before = step["value"], steps[max(place - 1, 0)]["value"]
            better = (value > before) == larger_is_better
            axes.barh(place, longest, height=0.26, color=style.GRID, alpha=0.45, linewidth=0)
            axes.barh(place, min(value, before), height=0.26, color=style.SERIES[0], linewidth=0)
            axes.barh(
                place,
                abs(value - before),
                left=min(value, before),
                height=0.26,
                color=gain if better else loss,
                alpha=0.55,
                linewidth=0,
            )
            text = f"{_plain(value)} {unit}"
            if place and value and before:
                ratio = value / before if larger_is_better else before / value
                text += f"  ({fmt.factor(ratio)})"
            for content, x, side, weight in (
                (step["name"], 0, "left", "normal"),
                (text, longest, "right", "bold"),
            ):
                axes.annotate(
                    content,
                    (x, place),
                    (0, 9),
                    textcoords="offset points",
                    parse_math=False,
                    va="bottom",
                    ha=side,
                    color=style.INK,
                    fontweight=weight,
                )
            words.append(f"{step['name']}: {text}")
        axes.set_xlim(0, longest)
        axes.set_ylim(len(steps) - 0.7, -0.78)
        axes.set_axis_off()
        svg = style.to_svg(figure, title, "; ".join(words))
    legend = [style.Entry("gained", style.variable(gain)), style.Entry("lost", style.variable(loss))]
    sense = "Longer" if larger_is_better else "Shorter"
    caption = (
        f"Each row adds one change to those above it; in brackets, what it brought alone. {sense} is better."
    )
    return style.Picture(title, svg, caption, legend)


def _plain(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
