"""``scalable quickstart``: the whole road on real work, in about a minute."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scalable.cli.options import Debug, Json, Quiet, parse_count
from scalable.cli.output import write_json

HELP = """Generate, train, evaluate and serve: the project's main job on fresh data.

Writes the dataset, both models, results.json and report.html below --out.

\b
Examples:
  scalable quickstart
  scalable quickstart --rows 500k --out /tmp/try --json results.json
"""


def command(
    rows: Annotated[
        int, typer.Option("--rows", parser=parse_count, metavar="N", help="Rows to generate: 5000000, 5M.")
    ] = 5_000_000,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where all of it goes.")] = Path(
        "quickstart"
    ),
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Seed of the dataset and the models.")] = 0,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Run the quickstart."""
    from scalable.cli.bench.journey import travel
    from scalable.cli.screen.display import live
    from scalable.report import render
    from scalable.report.document import new_results
    from scalable.report.results import write_results, write_text
    from scalable.report.terminal import print_summary

    with live(quiet):
        sections = travel(out, rows, seed)
    results = new_results("quickstart", sections, seed)
    write_results(out / "results.json", results)
    write_text(out / "report.html", render([results]))
    write_json(json_file, results)
    if not quiet:
        print_summary(results)
        typer.echo(f"report:  {out / 'report.html'}\nresults: {out / 'results.json'}")
