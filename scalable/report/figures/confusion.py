"""Which classes are taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from scalable.report.figures import style

MOST = 30  # classes; more would be dust
WRITTEN = 8  # up to so many classes, shares are written into the cells


def confusion(row: dict[str, Any], names: Sequence[str]) -> style.Picture | None:
    """Draw a model's confusion weights as shares of each true class; None for too many classes.

    Parameters
    ----------
    row : dict
        ``model`` and ``confusion`` of shape (k, k): weight by true (row) and most probable class (column).
    names : sequence of str
        Names of the k classes.
    """
    weight = np.array(row["confusion"], dtype=float)
    k = len(weight)
    if weight.shape != (k, k) or not 2 <= k <= MOST:
        return None
    total = weight.sum(axis=1, keepdims=True)
    share = np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)
    with style.canvas(style.WIDTH, style.WIDTH * 0.92) as (figure, axes):
        axes.grid(visible=False)
        for true, chosen in np.ndindex(k, k):
            value = share[true, chosen]
            colour = style.SERIES[2] if true == chosen else style.SERIES[1]
            cell = (chosen - 0.48, true - 0.48)
            axes.add_patch(_square(cell, style.GRID, 0.25))
            if value > 0:
                axes.add_patch(_square(cell, colour, 0.12 + 0.88 * value))
            if k <= WRITTEN and value >= 0.005:
                axes.text(
                    chosen, true, f"{value:.0%}", ha="center", va="center", color=style.INK, fontsize=10.5
                )
        axes.set(xlim=(-0.55, k - 0.45), ylim=(k - 0.45, -0.55), xlabel="most probable", ylabel="true class")
        step = max(1, -(-k // 10))
        shown = [str(name)[:10] for name in names[::step]]
        axes.set_xticks(range(0, k, step), shown, parse_math=False)
        axes.set_yticks(range(0, k, step), shown, parse_math=False)
        axes.set_aspect("equal")
        for spine in axes.spines.values():
            spine.set_visible(False)
        words = "; ".join(f"class {name}: {share[n, n]:.1%} recognised" for n, name in enumerate(names))
        title = f"{row['model']}: confusion"
        svg = style.to_svg(figure, title, words)
    return style.Picture(
        title, svg, "Shares of each true class (rows add up to 100%); the diagonal is right."
    )


def _square(corner: tuple[float, float], colour: str, alpha: float) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle(corner, 0.96, 0.96, facecolor=colour, alpha=min(alpha, 1.0), linewidth=0)
