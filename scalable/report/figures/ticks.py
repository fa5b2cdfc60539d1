"""Axes in units people say: 10 µs, 5M rows, 2 GiB."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axis import Axis


def units(axis: Axis, write: Callable[[float], str], log: bool = False, minor: bool = False) -> None:
    """Label an axis' ticks by `write`; on a log axis one tick a decade, or 1-2-5 over short ranges."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

    if log:
        low, high = sorted(axis.get_view_interval())
        short = high / max(low, 1e-300) < 60
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if short else (1,), numticks=9))
        axis.set_minor_locator(LogLocator(subs=range(2, 10)) if minor and not short else NullLocator())
        axis.set_minor_formatter(NullFormatter())
    else:
        axis.set_major_locator(MaxNLocator(5))
    axis.set_major_formatter(FuncFormatter(lambda value, _: write(value)))
