"""``scalable models promote``: an alias means a version from now on."""

from __future__ import annotations

import typer

from scalable.cli.models.registry_options import Alias, Name, RegistryDir, Version
from scalable.cli.options import Debug, Json, Quiet
from scalable.cli.output import write_sections

HELP = """Let an alias mean VERSION of NAME from now on, in one step; servers that follow it change over.

Every file of the version is compared with its record first.

\b
Examples:
  scalable models promote fraud 1
  scalable models promote fraud latest --alias staging
  scalable serve registry:fraud@production
"""


def command(
    name: Name,
    version: Version,
    alias: Alias = "production",
    registry: RegistryDir = None,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Promote a version."""
    from scalable.registry.address import registry_path
    from scalable.registry.registry import Registry

    held = Registry(registry_path(registry))
    before = held.aliases(name).get(alias)
    move = held.promote(name, version, alias)
    if not quiet:
        was = "" if before is None else f", was {before.version}"
        typer.echo(f"{name}@{alias} is version {move.version}{was}")
    sections = {"name": name, "alias": alias, "version": move.version, "before": before and before.version}
    write_sections(json_file, "models", sections)
