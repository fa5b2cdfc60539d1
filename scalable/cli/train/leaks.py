"""``scalable leaks``: which columns alone tell the target too well."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from scalable.cli.options import ClientAddress, Debug, Exclude, Features, Json, Quiet, Workers, split_names
from scalable.cli.output import write_sections

HELP = """Look for columns that leak the target: what each one alone explains of it on held-out rows, in one pass.

Ends with 0 when no column is suspect, with 3 when one is. A suspect may be honest: only knowledge of when each column
is written proves a leak.

\b
Examples:
  scalable leaks fraud/ --target is_fraud
  scalable leaks houses.parquet --target price --regression --limit 0.9 --json leaks.json
"""
ALARM, SHOWN = 3, 10


def command(
    data: Annotated[str, typer.Argument(metavar="DATA", help="File, directory or glob of Parquet.")],
    target: Annotated[str, typer.Option("--target", metavar="COL", help="Column to predict.")],
    features: Features = None,
    exclude: Exclude = None,
    weight: Annotated[str | None, typer.Option("--weight", metavar="COL", help="Column of weights.")] = None,
    regression: Annotated[bool, typer.Option("--regression", help="The target is a number.")] = False,
    limit: Annotated[
        float | None,
        typer.Option(
            "--limit",
            metavar="SHARE",
            help="Explained share from which a column is suspect (default: 0.5 of classes, 0.95 of numbers).",
        ),
    ] = None,
    workers: Workers = None,
    client: ClientAddress = None,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Look for leaks."""
    from scalable import ParquetSource
    from scalable.cli.screen.display import live
    from scalable.evaluate.leaks import find_leaks
    from scalable.execution.executors import get_executor

    source = ParquetSource(
        data,
        target=target,
        weight=weight,
        features=split_names(features),
        exclude=split_names(exclude) or (),
    )
    with live(quiet), get_executor(client, workers) as executor:
        found = find_leaks(source, classify=not regression, limit=limit, executor=executor)
    if not quiet:
        for each in found[:SHOWN]:
            auc = "" if each.auc is None else f", AUC {each.auc:.4f}"
            missing = (
                f", {each.missing_explained:.1%} by being missing" if each.missing_explained > 0.01 else ""
            )
            mark = "suspect" if each.suspect else "       "
            typer.echo(f"{mark}  {each.column}: explains {each.explained:.1%}{auc}{missing}")
        typer.echo(f"{len(found)} columns, {sum(each.suspect for each in found)} suspect")
    write_sections(json_file, "leaks", {"columns": [asdict(each) for each in found]})
    if any(each.suspect for each in found):
        raise typer.Exit(ALARM)
