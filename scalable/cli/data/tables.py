"""Plain tables of the dataset commands."""

from __future__ import annotations

from typing import Any

from scalable.report.terminal import fitted

WHOLE = {"column", "missing", "distinct"}  # one word each
WIDTH = 110  # narrower, figures would be folded; times and units have a place for it


def show_datasets(datasets: Any) -> None:
    """Print the registry of datasets with their knobs and defaults."""
    from rich.table import Table

    console = fitted()
    for entry in datasets.values():
        console.print(f"[bold]{entry.name}[/bold]  {entry.description}")
        table = Table(box=None, padding=(0, 2), show_header=False)
        for knob in entry.knobs:
            table.add_row(f"  {knob.name}", str(knob.default), knob.meaning)
        console.print(table)


def show_columns(description: Any) -> None:
    """Print the columns of a described dataset."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, padding=(0, 1))
    rows = description.table()
    for heading in rows[0]:
        left = heading in {"column", "type", "unit", "remarks"}
        table.add_column(
            heading, justify="left" if left else "right", overflow="fold", no_wrap=heading in WHOLE
        )
    for row in rows[1:]:
        table.add_row(*(escape(str(cell)) for cell in row))
    fitted(least=WIDTH).print(table)
