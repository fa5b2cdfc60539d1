"""``scalable describe``: a summary of a generated dataset and a page with its pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scalable.cli.options import Debug, Json, Quiet, parse_count
from scalable.cli.output import output_file, write_page, write_sections

HELP = """Summarise a generated dataset and write a page with histograms, label rate and truth.

\b
Examples:
  scalable describe fraud/
  scalable describe fraud/ --out fraud.html
  scalable describe billion/ --rows 10M
"""


def command(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A dataset with a manifest.json.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", callback=output_file, help="Page to write (default DIR/describe.html)."
        ),
    ] = None,
    rows: Annotated[
        int | None,
        typer.Option(
            "--rows", parser=parse_count, metavar="N", help="Read about N rows, spread evenly (default: all)."
        ),
    ] = None,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Describe a dataset."""
    import data_gen
    from data_gen.describing.page import render
    from scalable import progress
    from scalable.cli.data.tables import show_columns
    from scalable.cli.screen.display import live

    with live(quiet), progress.task("describe", rows) as task:
        description = data_gen.describe(directory, rows, task.reach)
    page = out or directory / "describe.html"
    write_page(page, render(description))
    if not quiet:
        show_columns(description)
        typer.echo(description.read)
        typer.echo(f"pictures: {page}")
    write_sections(json_file, "describe", {"describe": description.to_json()})
