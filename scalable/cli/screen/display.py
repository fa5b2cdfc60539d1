"""Progress on a terminal: rows, rows per second, time left and the metric being improved."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from scalable import progress


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


class _Line:
    """One task on a rich progress display."""

    def __init__(self, bars: Any, label: str, total: float | None, unit: str) -> None:
        self._bars = bars
        self._unit = unit
        self._id = bars.add_task(label, total=total, rate="", metrics="")

    def advance(self, amount: float, **metrics: float | str) -> None:
        shown = {}
        if metrics:
            parts = (f"{k} {v:.5g}" if isinstance(v, float) else f"{k} {v}" for k, v in metrics.items())
            shown["metrics"] = "  ".join(parts)
        self._bars.update(self._id, advance=amount, **shown)
        task = self._bars.tasks[self._bars.task_ids.index(self._id)]
        if task.elapsed:
            rate = f"{human(task.completed / task.elapsed)} {self._unit}/s"
            self._bars.update(self._id, rate=rate)

    def close(self) -> None:
        task = self._bars.tasks[self._bars.task_ids.index(self._id)]
        if task.total is not None and task.completed < task.total:
            self._bars.update(self._id, total=max(task.completed, 1))
        self._bars.stop_task(self._id)


class _Bars:
    """A reporter that draws rich progress bars."""

    def __init__(self, bars: Any) -> None:
        self._bars = bars

    def open(self, label: str, total: float | None, unit: str) -> _Line:
        return _Line(self._bars, label, total, unit)


@contextmanager
def live(quiet: bool) -> Iterator[None]:
    """Show progress on standard error while the body runs, if it is a terminal and not `quiet`."""
    if quiet or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from scalable.cli.screen.compiling import compilation_shown

    class Count(MofNCompleteColumn):
        def render(self, task: Any) -> Any:
            from rich.text import Text

            total = "?" if task.total is None else human(task.total)
            return Text(f"{human(task.completed)}/{total}", style="progress.download")

    bars = Progress(
        SpinnerColumn(finished_text="[green]✓"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=18),
        Count(),
        TextColumn("[cyan]{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("[magenta]{task.fields[metrics]}"),
        console=Console(stderr=True),
        refresh_per_second=8,
    )
    with bars:
        progress.install(_Bars(bars))
        try:
            with compilation_shown():
                yield
        finally:
            progress.install(None)
