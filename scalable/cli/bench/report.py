"""``scalable report``: turn results into one page that opens offline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from scalable.cli.options import Debug, Json, Quiet
from scalable.cli.output import output_file, write_page, write_sections

BAYES = "Bayes-optimal"
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
    documents, names = _together(documents, names)
    page = render(documents, names=names)
    write_page(out, page)
    if not quiet:
        typer.echo(f"{out}: {len(page) / 1e3:.0f} kB, from {len(documents)} result(s)")
    write_sections(json_file, "report", {"report": {"page": out, "results": results}})


def _together(documents: list[dict[str, Any]], names: list[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return evaluations of the same dataset as one document, so that their curves lie in the same pictures."""
    found: dict[str, dict[str, Any]] = {}
    kept: list[tuple[dict[str, Any], list[str]]] = []
    for document, name in zip(documents, names, strict=True):
        sections = document["sections"]
        if document["kind"] != "evaluate" or not isinstance(sections.get("quality"), list):
            kept.append((document, [name]))
            continue
        key = _rows_of(document)
        if key not in found:
            found[key] = {**document, "command": None, "sections": {**sections, "quality": [], "stages": []}}
            kept.append((found[key], []))
        next(names for each, names in kept if each is found[key]).append(name)
        commands = [found[key]["command"], document.get("command")]
        found[key]["command"] = "\n".join(command for command in commands if command) or None
        one = found[key]["sections"]
        one["stages"] = [*one["stages"], *sections.get("stages", [])]
        have = {row["model"] for row in one["quality"]}
        best = [row for row in one["quality"] if row["model"] == BAYES]
        rows = [row for row in sections["quality"] if row["model"] not in have]
        one["quality"] = [row for row in one["quality"] if row["model"] != BAYES] + [
            *(row for row in rows if row["model"] != BAYES), *(best or [row for row in rows if row["model"] == BAYES]),
        ]  # fmt: skip
    return [document for document, _ in kept], [", ".join(names) for _, names in kept]


def _rows_of(document: dict[str, Any]) -> str:
    """Return what two evaluations of the same rows on the same machine have in common, however busy it was."""
    machine = {name: value for name, value in (document.get("machine") or {}).items() if name != "load"}
    return json.dumps([document["sections"].get("dataset"), machine], sort_keys=True)
