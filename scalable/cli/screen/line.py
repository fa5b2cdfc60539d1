"""One line of progress, cut to the columns there are: what matters least goes first. Only words wrap."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

WIDEST_BAR, NARROWEST_BAR = 18, 6
LEAST_LABEL = 12  # columns; a longer label is cut before the count goes
MARKS = {"running": ("•", "cyan"), "finished": ("✓", "green"), "broken off": ("✗", "red")}


@dataclass(frozen=True, slots=True)
class Shown:
    """A task as it is to be shown.

    Attributes
    ----------
    label : str
    done, total : float, float or None
        Units of work; None where the total is unknown.
    unit : str
    elapsed, left : float, float or None
        Seconds; None where nobody knows yet.
    metrics : str
        The latest of them, in words.
    state : {"running", "finished", "broken off"}
    """

    label: str
    done: float
    total: float | None
    unit: str
    elapsed: float
    left: float | None
    metrics: str
    state: str


def human(value: float) -> str:
    """Return a count with three significant digits: ``1.25M``, ``830k``, ``12``."""
    for limit, suffix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            scaled = value / limit
            return f"{scaled:.3g}{suffix}" if scaled < 999.5 else f"{scaled:.0f}{suffix}"
    return f"{value:.3g}" if value != int(value) else str(int(value))


def megabytes(n_bytes: float) -> str:
    """Return a size in MB or GB."""
    return f"{n_bytes / 1e9:.2f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.0f} MB"


def clock(seconds: float | None) -> str:
    """Return a duration as ``m:ss`` or ``h:mm:ss``; dashes where it is not known."""
    if seconds is None:
        return "-:--"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def line(task: Shown, width: int) -> Iterator[tuple[str, str]]:
    """Yield the pieces of a line of at most `width` columns, each with its style.

    The mark, the label and how far it is are always there; then, while there is room: the time, the rate, a bar, the
    metrics (cut where they end). What has nothing to count is words, which take as many lines as they need.
    """
    mark, tone = MARKS[task.state]
    count = _count(task)
    if not count:
        time = f"  {_time(task)}" if task.unit else ""
        yield f"{mark} ", tone
        yield "\n  ".join(textwrap.wrap(task.label, max(width - 2 - len(time), LEAST_LABEL))), ""
        yield time, "yellow"
        return
    label = task.label
    room = width - 2 - 2 - len(count)
    if len(label) > room:
        label = label[: max(room, LEAST_LABEL) - 1] + "…"
    used = 2 + len(label) + 2 + len(count)
    pieces = [(count, "")]
    for text, style in ((_time(task), "yellow"), (_rate(task), "cyan")):
        if text and used + 2 + len(text) <= width:
            pieces.append((text, style))
            used += 2 + len(text)
    bar = min(WIDEST_BAR, width - used - 2)
    if task.total and bar >= NARROWEST_BAR:
        full = round(bar * min(task.done / task.total, 1.0))
        pieces.insert(0, ("━" * full + "─" * (bar - full), tone))
        used += 2 + bar
    left = width - used - 2
    if task.metrics and left >= LEAST_LABEL:
        cut = task.metrics if len(task.metrics) <= left else task.metrics[: left - 1] + "…"
        pieces.append((cut, "magenta"))
    yield f"{mark} ", tone
    yield label, ""
    for text, style in pieces:
        yield "  ", ""
        yield text, style


def _count(task: Shown) -> str:
    if task.total is None:
        return f"{human(task.done)} {task.unit}" if task.done else ""
    return f"{human(task.done)}/{human(task.total)} {task.unit}"


def _time(task: Shown) -> str:
    if task.state == "running" and task.total is not None:
        return f"{clock(task.left)} left"
    return clock(task.elapsed)


def _rate(task: Shown) -> str:
    return f"{human(task.done / task.elapsed)}/s" if task.elapsed and task.done else ""
