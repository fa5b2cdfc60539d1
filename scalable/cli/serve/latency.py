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

\b
Examples:
  scalable latency fraud.model fraud/
  scalable latency fraud.model fraud/ --rows 100000
  scalable latency fraud.model fraud/ --engines scalable,lightgbm,onnxruntime --out latency.html
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
    seed: Annotated[int, typer.Option("--seed", help="Order of the rows.")] = 0,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Measure latency."""
    from scalable.cli.screen.display import live
    from scalable.latency import laboratory
    from scalable.report import render
    from scalable.report.document import new_results
    from scalable.report.terminal import print_summary

    with live(quiet):
        sections = laboratory.examine(model, data, engines=split_names(engines), seed=seed, max_rows=rows)
    results = new_results("latency", sections, seed)
    if not quiet:
        print_summary(results)
    if out is not None:
        write_page(out, render([results]))
    write_json(json_file, results)
