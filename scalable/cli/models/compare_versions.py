"""``scalable models compare``: what differs between two versions."""

from __future__ import annotations

from typing import Annotated

import typer

from scalable.cli.models.registry_options import Name, RegistryDir, shown, table
from scalable.cli.options import Debug, Json, Quiet
from scalable.cli.output import write_sections

HELP = """Compare two versions of NAME: metrics, parameters, data, code and environment, as far as they differ.

`scalable compare` holds two models against each other on rows.

\b
Examples:
  scalable models compare fraud 1 2
  scalable models compare fraud production latest
"""


def command(
    name: Name,
    one: Annotated[str, typer.Argument(metavar="A", help="A number, an alias, or latest.")],
    other: Annotated[str, typer.Argument(metavar="B", help="A number, an alias, or latest.")],
    registry: RegistryDir = None,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Compare versions."""
    from scalable.registry.address import registry_path
    from scalable.registry.difference import data_difference, differences
    from scalable.registry.registry import Registry

    held = Registry(registry_path(registry))
    (a, first), (b, second) = held.entry(name, one), held.entry(name, other)
    rows, data = differences(first, second), data_difference(first, second)
    if not quiet:
        cells = [[row.part, row.name, shown(row.first), shown(row.second)] for row in rows]
        typer.echo(table([["", "", f"{name} {a}", f"{name} {b}"], *cells]))
        typer.echo(f"data: {data or 'the same'}")
    sections = {"versions": [a, b], "differences": [row._asdict() for row in rows], "data": data}
    write_sections(json_file, "models", sections)
