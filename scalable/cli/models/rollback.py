"""``scalable models rollback``: an alias means again what it meant before."""

from __future__ import annotations

import typer

from scalable.cli.models.registry_options import Alias, Name, RegistryDir
from scalable.cli.options import Debug, Json, Quiet
from scalable.cli.output import write_sections

HELP = """Let an alias of NAME mean what it meant before its last promotion; again for the one before that.

\b
Examples:
  scalable models rollback fraud
  scalable models rollback fraud --alias staging
"""


def command(
    name: Name,
    alias: Alias = "production",
    registry: RegistryDir = None,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Roll an alias back."""
    from scalable.registry.address import registry_path
    from scalable.registry.registry import Registry

    held = Registry(registry_path(registry))
    before = held.aliases(name).get(alias)
    move = held.rollback(name, alias)
    was = before.version if before is not None else None
    if not quiet:
        typer.echo(f"{name}@{alias} is version {move.version} again, was {was}")
    write_sections(
        json_file, "models", {"name": name, "alias": alias, "version": move.version, "before": was}
    )
