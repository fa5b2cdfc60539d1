"""``scalable latency``: how fast a model answers, engine beside engine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scalable.cli.options import Debug, Json, Quiet, split_names
from scalable.cli.output import output_file, write_json, write_page

HELP = """Compare the latency of MODEL's engines on rows of DATA that are shuffled and never repeated.

Forests by every engine installed, on one and two threads, up to a million rows a call, and under
Poisson arrivals; linear models of plain numbers beside scikit-learn.

With --tradeoffs, on labelled rows: fewer trees, early exits, a linear model in front, and distilled forests, each with
its log loss, AUC and time for one row. --budget takes the best whose median is within a time, and --write saves it.

\b
Examples:
  scalable latency forest.model held_out/ --rows 100000
  scalable latency forest.model held_out/ --engines scalable,lightgbm,onnxruntime --out latency.html
  scalable latency forest.model held_out/ --target is_fraud --tradeoffs --out tradeoffs.html
  scalable latency forest.model held_out/ --target is_fraud --tradeoffs --budget 2us --write fast.model
"""


def command(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A saved model, or a forest's own file.")],
    data: Annotated[str, typer.Argument(metavar="DATA", help="File, directory or glob of Parquet.")],
    engines: Annotated[
        str | None, typer.Option("--engines", metavar="A,B,...", help="Default: all that are installed.")
    ] = None,
    rows: Annotated[
        int,
        typer.Option("--rows", metavar="N", min=1, help="Rows to measure on, at most; none is used twice."),
    ] = 1_000_000,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", callback=output_file, help="Also write a page.")
    ] = None,
    tradeoffs: Annotated[
        bool, typer.Option("--tradeoffs", help="Compare faster forms of the forest instead.")
    ] = False,
    target: Annotated[
        str | None, typer.Option("--target", metavar="COL", help="Labels, for --tradeoffs.")
    ] = None,
    budget: Annotated[
        str | None, typer.Option("--budget", metavar="TIME", help="Of one row, such as 2us.")
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option("--write", metavar="PATH", help="Save the choice here: a model of the same columns."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Order of the rows.")] = 0,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Measure latency."""
    from scalable.cli.screen.display import live
    from scalable.errors import UsageError
    from scalable.latency import laboratory
    from scalable.latency import tradeoffs as tradeoff
    from scalable.report import render
    from scalable.report.document import new_results
    from scalable.report.terminal import print_summary

    if not tradeoffs and any(option is not None for option in (target, budget, write)):
        raise UsageError("--target, --budget and --write go with --tradeoffs")
    if tradeoffs:
        if target is None or (write is not None and budget is None):
            raise UsageError("--tradeoffs needs --target, and --write needs --budget")
        with live(quiet):
            sections = tradeoff.compare(model, data, target, budget, write, seed=seed, max_rows=rows)
    else:
        with live(quiet):
            sections = laboratory.examine(model, data, engines=split_names(engines), seed=seed, max_rows=rows)
    results = new_results("latency", sections, seed)
    if not quiet:
        print_summary(results)
        for row in sections.get("tradeoffs", []):
            if row.get("chosen"):
                where = "" if write is None else f", written to {write}"
                typer.echo(f"within {budget}: {row['name']}{where}")
    if out is not None:
        write_page(out, render([results]))
    write_json(json_file, results)
