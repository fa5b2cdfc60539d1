"""``scalable report``: turn results into one page that opens offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scalable.cli.options import Debug, Json, Quiet
from scalable.cli.output import output_file, write_page, write_sections

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
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", callback=output_file, help="Page to write.")
    ] = Path("report.html"),
    asv: Annotated[
        Path | None, typer.Option("--asv", metavar="DIR", help="Also show asv's history from this directory.")
    ] = None,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write a report."""
    from scalable.report import render
    from scalable.report.results import read_results

    results = results or []
    documents = [read_results(path) for path in results]
    names = [path.stem if path.stem != "results" else path.parent.name for path in results]
    if asv is not None:
        from scalable.report.asv import read_asv

        documents.append(read_asv(asv))
        names.append("")
    page = render(documents, names=names)
    write_page(out, page)
    if not quiet:
        typer.echo(f"{out}: {len(page) / 1e3:.0f} kB, from {len(documents)} result(s)")
    write_sections(json_file, "report", {"report": {"page": out, "results": results}})
