"""``scalable report``: turn results into one page that opens offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scalable.cli.options import Debug, Json, Quiet

HELP = """Turn one or several results files into one self-contained HTML page.

\b
Examples:
  scalable report quickstart/results.json --out report.html
  scalable report a.json b.json --out both.html
  scalable report --asv .asv --out history.html
"""


def command(
    results: Annotated[
        list[Path] | None, typer.Argument(metavar="RESULTS.json...", help="Files written by --json.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Page to write.")] = Path("report.html"),
    asv: Annotated[
        Path | None, typer.Option("--asv", metavar="DIR", help="Also show asv's history from this directory.")
    ] = None,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write a report."""
    from scalable.report import render
    from scalable.report.document import new_results
    from scalable.report.results import read_results, write_results, write_text
    from scalable.storage.files import total_size

    results = results or []
    documents = [read_results(path) for path in results]
    names = [path.stem if path.stem != "results" else path.parent.name for path in results]
    if asv is not None:
        from scalable.report.asv import read_asv

        documents.append(read_asv(asv))
        names.append("")
    write_text(out, render(documents, names=names))
    if not quiet:
        typer.echo(f"{out}: {total_size([out]) / 1e3:.0f} kB, from {len(documents)} result(s)")
    if json_file is not None:
        write_results(json_file, new_results("report", {"report": {"page": out, "results": results}}))
