"""``scalable models show``: all that is recorded of a version."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from scalable.cli.models.registry_options import Name, RegistryDir
from scalable.cli.options import Debug, Json, Quiet
from scalable.cli.output import write_sections

HELP = """Show what is recorded of VERSION of NAME, and where its model lies.

Every file is compared with its record.

\b
Examples:
  scalable models show fraud
  scalable models show fraud production --json version.json
"""
HIDDEN = ("files", "data")


def command(
    name: Name,
    version: Annotated[
        str, typer.Argument(metavar="VERSION", help="A number, an alias, or latest.")
    ] = "latest",
    registry: RegistryDir = None,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Show a version."""
    from scalable.registry.address import registry_path
    from scalable.registry.registry import Registry

    held = Registry(registry_path(registry))
    number, entry = held.entry(name, version)
    place = None if entry.pruned else held.model(name, str(number), thorough=True)[1]
    names = [alias for alias, move in held.aliases(name).items() if move.version == number]
    if not quiet:
        typer.echo(f"{name} {number}" + (f" ({', '.join(names)})" if names else ""))
        typer.echo(f"  model: {place or 'pruned'}, {len(entry.files)} files, {entry.size:,} bytes")
        typer.echo(f"  data: {entry.data.get('digest', 'not recorded')}")
        for key, value in asdict(entry).items():
            if key not in HIDDEN and value not in ({}, (), ""):
                typer.echo(f"  {key}: {value if isinstance(value, str) else json.dumps(value)}")
    sections = {"name": name, "version": number, "aliases": names, "path": place, "entry": asdict(entry)}
    write_sections(json_file, "models", sections)
