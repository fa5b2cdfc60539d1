"""``scalable models list``: what a registry holds."""

from __future__ import annotations

from typing import Annotated

import typer

from scalable.cli.models.registry_options import RegistryDir, Tags, Where, shown, table
from scalable.cli.options import Debug, Json, Quiet
from scalable.cli.output import write_sections

HELP = """List the models of a registry, or the versions of NAME.

\b
Examples:
  scalable models list
  scalable models list fraud --where 'auc>.8' --tag team=risk --sort auc
  scalable models list fraud --registry /srv/models --last 20 --json versions.json
"""


def command(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="A model; default: all of them.")] = None,
    registry: RegistryDir = None,
    where: Where = None,
    tag: Tags = None,
    sort: Annotated[
        str | None, typer.Option("--sort", metavar="METRIC", help="Highest first (-METRIC: lowest first).")
    ] = None,
    last: Annotated[int | None, typer.Option("--last", metavar="N", min=1, help="Only the newest N.")] = None,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """List models."""
    from scalable.registry.address import registry_path
    from scalable.registry.filters import chosen, parse_condition
    from scalable.registry.index import best_first
    from scalable.registry.registry import Registry

    held = Registry(registry_path(registry))
    if name is None:
        if where or tag or sort or last:
            raise typer.BadParameter("--where, --tag, --sort and --last choose among versions: give NAME too")
        names = held.names()
        counts, known = (
            [len(held.versions(each)[0]) for each in names],
            [_meanings(held, each) for each in names],
        )
        if not quiet:
            cells = [[each, str(n), _said(a)] for each, n, a in zip(names, counts, known, strict=True)]
            typer.echo(table([["model", "versions", "aliases"], *cells]))
        models = [
            {"name": x, "versions": n, "aliases": a} for x, n, a in zip(names, counts, known, strict=True)
        ]
        write_sections(json_file, "models", {"models": models})
        return
    conditions = [parse_condition(text) for text in where or ()]
    rows, wrong = held.versions(name)
    rows = chosen(rows, conditions, tag or ())
    if last is not None:
        rows = rows[-last:]
    if sort is not None:
        rows = best_first(rows, sort.removeprefix("-"), ascending=sort.startswith("-"))
    meanings = _meanings(held, name)
    if not quiet:
        metrics = list(dict.fromkeys(key for row in rows for key in row.metrics))[:6]
        lines = [
            [
                str(row.number),
                row.created,
                ",".join(alias for alias, number in meanings.items() if number == row.number),
                *(shown(row.metrics.get(key)) for key in metrics),
                ",".join(f"{key}={value}" if value else key for key, value in row.tags.items()),
                "pruned" if row.pruned else row.note.partition("\n")[0][:40],
            ]
            for row in rows
        ]
        typer.echo(table([["version", "created", "alias", *metrics, "tags", "note"], *lines]))
    for number, reason in wrong.items():
        typer.echo(f"version {number} is left out: {reason}", err=True)
    sections = {"versions": [row._asdict() for row in rows], "aliases": meanings, "unreadable": wrong}
    write_sections(json_file, "models", sections)


def _meanings(held: object, name: str) -> dict[str, int]:
    from scalable.registry.registry import Registry

    assert isinstance(held, Registry)
    return {alias: move.version for alias, move in held.aliases(name).items()}


def _said(meanings: dict[str, int]) -> str:
    return ", ".join(f"{alias}={number}" for alias, number in meanings.items())
