"""Progress on a terminal: how far, how fast, how long still, and the metric being improved."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from scalable import progress
from scalable.cli.screen.interrupt import say
from scalable.cli.screen.line import Shown, line

REFRESHES = 8  # a second
_live: list[_Bars] = []  # the display of this process, while there is one


class _Task:
    """One task on the display."""

    def __init__(self, bars: Any, label: str, total: float | None, unit: str) -> None:
        self._bars = bars
        self._id = bars.add_task(label, total=total, unit=unit, metrics="", state="running")

    def advance(self, amount: float, **metrics: float | str) -> None:
        shown = {}
        if metrics:
            parts = (f"{k} {v:.5g}" if isinstance(v, float) else f"{k} {v}" for k, v in metrics.items())
            shown["metrics"] = "  ".join(parts)
        self._bars.update(self._id, advance=amount, **shown)

    def close(self, finished: bool) -> None:
        self._bars.update(self._id, state="finished" if finished else "broken off")
        self._bars.stop_task(self._id)


class _Bars:
    """A reporter that draws a line a task."""

    def __init__(self, bars: Any) -> None:
        self._bars = bars
        self._tasks: list[_Task] = []

    def open(self, label: str, total: float | None, unit: str) -> _Task:
        task = _Task(self._bars, label, total, unit)
        self._tasks.append(task)
        return task

    def abandon(self) -> None:
        """Draw what runs as broken off, a last time."""
        for task in self._bars.tasks:
            if task.fields["state"] == "running":
                self._bars.update(task.id, state="broken off")
                self._bars.stop_task(task.id)
        self._bars.stop()


class _Words:
    """A reporter where there is no terminal to draw on: what was decided is said, progress is not shown."""

    def open(self, label: str, total: float | None, unit: str) -> _Words:
        if not unit:
            say(label)
        return self

    def advance(self, amount: float, **metrics: float | str) -> None:
        pass

    def close(self, finished: bool) -> None:
        pass


def leave_clean() -> None:
    """Draw the display a last time and give the terminal back; for a process that is about to be ended."""
    while _live:
        _live.pop().abandon()


@contextmanager
def live(quiet: bool) -> Iterator[None]:
    """Show on standard error, unless `quiet`, what is decided while the body runs, and progress if it is a terminal."""
    if quiet or not sys.stderr.isatty():
        progress.install(None if quiet else _Words())
        try:
            yield
        finally:
            progress.install(None)
        return
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn
    from rich.text import Text

    from scalable.cli.screen.compiling import compilation_shown

    console = Console(stderr=True)

    class Line(ProgressColumn):
        """A task in as many columns as there are."""

        max_refresh = None

        def render(self, task: Any) -> Text:
            shown = Shown(
                task.description, task.completed, task.total, task.fields["unit"], task.elapsed or 0.0,
                task.time_remaining, task.fields["metrics"], task.fields["state"],
            )  # fmt: skip
            text = Text(no_wrap=True, overflow="crop")
            for part, style in line(shown, console.width - 1):
                text.append(part, style)
            return text

    # what is printed meanwhile appears above the lines; but a pipe must get what is printed into it
    bars = Progress(
        Line(), console=console, refresh_per_second=REFRESHES, redirect_stdout=sys.stdout.isatty()
    )
    reporter = _Bars(bars)
    with bars:
        _live.append(reporter)
        progress.install(reporter)
        try:
            with compilation_shown():
                yield
        except BaseException:
            reporter.abandon()
            raise
        finally:
            progress.install(None)
            if reporter in _live:
                _live.remove(reporter)
