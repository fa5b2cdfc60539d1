"""Axes in units people say: 10 µs, 5M rows, 2 GiB."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from scalable.report.format import size

if TYPE_CHECKING:
    from matplotlib.axis import Axis


def units(axis: Axis, write: Callable[[float], str], log: bool = False) -> None:
    """Label an axis' ticks by `write`; on a log axis one tick a decade, or 1-2-5 over short ranges.

    Linear axes of bytes are divided by powers of two.
    """
    from matplotlib.ticker import (
        FuncFormatter,
        LogLocator,
        MaxNLocator,
        MultipleLocator,
        NullFormatter,
        NullLocator,
    )

    if log:
        low, high = sorted(axis.get_view_interval())
        short = high / max(low, 1e-300) < 60
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if short else (1,), numticks=9))
        axis.set_minor_locator(NullLocator())
        axis.set_minor_formatter(NullFormatter())
    elif write is size:
        low, high = axis.get_view_interval()
        axis.set_major_locator(MultipleLocator(2 ** math.ceil(math.log2((high - low) / 5))))
    else:
        axis.set_major_locator(MaxNLocator(5))
    axis.set_major_formatter(FuncFormatter(lambda value, _: write(value)))
