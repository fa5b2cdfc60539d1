"""``scalable report``: turn results into one page that opens offline."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from scalable.cli.options import Debug, Json, Quiet
from scalable.cli.output import output_file, write_page, write_sections

HELP = """Turn one or several results files into one self-contained HTML page.

\b
Examples:
  scalable report line.json forest.json --out report.html
  scalable report quickstart/results.json
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
        typer.echo(f"{out}: {len(page) / 1e3:.0f} kB, from {len(results) + (asv is not None)} results")
    write_sections(json_file, "report", {"report": {"page": out, "results": results}})


def _together(documents: list[dict[str, Any]], names: list[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return evaluations of the same dataset as one document, so that their curves lie in the same pictures."""
    groups: dict[str, list[tuple[dict[str, Any], str]]] = {}
    for place, (document, name) in enumerate(zip(documents, names, strict=True)):
        joins = document["kind"] == "evaluate" and isinstance(document["sections"].get("quality"), list)
        groups.setdefault(_rows_of(document) if joins else str(place), []).append((document, name))
    return (
        [_joined(members) if len(members) > 1 else members[0][0] for members in groups.values()],
        [", ".join(name for _, name in members) for members in groups.values()],
    )


def _rows_of(document: dict[str, Any]) -> str:
    """Return what two evaluations of the same rows on the same machine have in common, however busy it was."""
    machine = {
        name: value
        for name, value in (document.get("machine") or {}).items()
        if name not in ("load", "others")
    }
    return json.dumps([document["sections"].get("dataset"), machine], sort_keys=True)


def _joined(members: list[tuple[dict[str, Any], str]]) -> dict[str, Any]:
    """Return one document of several: models and stages by names of their own, what they are held against once."""
    from scalable.report.sections import REFERENCES

    first = members[0][0]
    rows = [(row, name) for document, name in members for row in document["sections"]["quality"]]
    times = Counter(row["model"] for row, _ in rows)
    models = [
        {**row, "model": row["model"] if times[row["model"]] == 1 else f"{row['model']} ({name})"}
        for row, name in rows
        if row["model"] not in REFERENCES
    ]
    references = {row["model"]: row for row, _ in reversed(rows) if row["model"] in REFERENCES}
    stages = [
        {**stage, "name": f"{stage['name']} {name}"}
        for document, name in members
        for stage in document["sections"].get("stages", [])
    ]
    quality = [*models, *(references[name] for name in reversed(REFERENCES) if name in references)]
    commands = [str(document["command"]) for document, _ in members if document.get("command")]
    sections = {**first["sections"], "quality": quality, "stages": stages}
    return {**first, "command": "\n".join(commands) or None, "sections": sections}
