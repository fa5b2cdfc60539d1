"""``scalable describe``: a summary of Parquet, with a page of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scalable.cli.options import ClientAddress, Debug, Json, Quiet, Workers, parse_count
from scalable.cli.output import output_file, write_page, write_sections

HELP = """Summarise every column of DATA in one pass: types, missing and distinct values, range, what to beware of.

Of a dataset that `scalable generate` wrote, a page with histograms, label rate and truth goes beside it; of other
Parquet where --out says.

\b
Examples:
  scalable describe fraud/
  scalable describe customers.parquet --target churned --out customers.html
  scalable describe fraud/ --out fraud.html
  scalable describe billion/ --rows 10M
"""


def command(
    data: Annotated[str, typer.Argument(metavar="DATA", help="File, directory or glob of Parquet.")],
    target: Annotated[
        str | None, typer.Option("--target", metavar="COL", help="Show its mean along the rows.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            callback=output_file,
            help="Page to write (generated: DATA/describe.html).",
        ),
    ] = None,
    rows: Annotated[
        int | None,
        typer.Option(
            "--rows", parser=parse_count, metavar="N", help="Read about N rows, spread evenly (default: all)."
        ),
    ] = None,
    workers: Workers = None,
    client: ClientAddress = None,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Describe a dataset."""
    import data_gen
    from data_gen.describing.page import render
    from scalable import progress
    from scalable.cli.data.any_parquet import describe_parquet
    from scalable.cli.data.tables import show_columns
    from scalable.cli.screen.display import live
    from scalable.execution.executors import get_executor
    from scalable.storage.places import place

    generated = (place(data) / "manifest.json").is_file()
    page = out or (place(data) / "describe.html" if generated else None)
    with live(quiet):
        if generated and target is None:
            with progress.task("describe", rows) as task:
                description = data_gen.describe(data, rows, task.reach)
        else:
            with get_executor(client, workers) as executor:
                description = describe_parquet(data, executor, target, rows)
    if page is not None:
        write_page(page, render(description))
    if not quiet:
        show_columns(description)
        typer.echo(description.read)
        typer.echo("pictures: --out FILE" if page is None else f"pictures: {page}")
    write_sections(json_file, "describe", {"describe": description.to_json()})
