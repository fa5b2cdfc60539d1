"""Names beside points, each where no other one stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

# where a name may stand: offsets from its point in points, the nearest ones first
_PLACES = [(dx, dy) for dy in (8, -8, 17, -17, 26, -26, 35, -35) for dx in (4, -4)]
_OUTSIDE = 20  # pixels to the right of the axes that a name may take


def place(
    axes: Axes,
    points: Sequence[tuple[float, float]],
    names: Sequence[str],
    colours: Sequence[str],
    size: float,
) -> None:
    """Write each name in the first place beside its point that is free, or in the least crowded one.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Drawn already: later changes of the limits or of the layout would move points away from their names.
    points : sequence of (float, float)
        In the axes' own coordinates.
    names, colours : sequence of str
        One a point.
    size : float
        Of the letters.
    """
    from matplotlib.transforms import Bbox

    taken = [Bbox.from_bounds(x - 4, y - 4, 8, 8) for x, y in axes.transData.transform(points)]
    frame = axes.get_window_extent()
    for point, name, colour in zip(points, names, colours, strict=True):
        least, kept = len(taken) + 3, frame
        best: Any = None
        for offset in _PLACES:
            text = _write(axes, point, name, offset, colour, size)
            box = text.get_window_extent()
            crossed = sum(box.overlaps(other) for other in taken) + 2 * _leaves(box, frame)
            worse = text if crossed >= least else best
            if crossed < least:
                least, best, kept = crossed, text, box
            if worse is not None:
                worse.remove()
            if least == 0:
                break
        taken.append(kept)


def _write(
    axes: Axes, point: tuple[float, float], name: str, offset: tuple[int, int], colour: str, size: float
) -> Any:
    return axes.annotate(
        name, point, offset, textcoords="offset points", ha="left" if offset[0] > 0 else "right", va="center",
        fontsize=size, color=colour, parse_math=False,
    )  # fmt: skip


def _leaves(box: Bbox, frame: Bbox) -> bool:
    """Return whether a name would leave the axes."""
    return bool(box.x0 < frame.x0 or box.x1 > frame.x1 + _OUTSIDE or box.y0 < frame.y0 or box.y1 > frame.y1)
