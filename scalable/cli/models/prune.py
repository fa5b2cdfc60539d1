"""``scalable models prune``: the models of old versions go, their records stay."""

from __future__ import annotations

from typing import Annotated

import typer

from scalable.cli.models.registry_options import Name, RegistryDir
from scalable.cli.options import Debug, Json, Quiet
from scalable.cli.output import write_sections

HELP = """Remove the models of old versions of NAME; their records stay, and no number is given twice.

What an alias means, or would mean after a rollback, is kept whatever its age.

\b
Examples:
  scalable models prune fraud --keep 10 --dry-run
  scalable models prune fraud --keep 10
"""


def command(
    name: Name,
    keep: Annotated[int, typer.Option("--keep", metavar="N", min=0, help="How many of the newest stay.")],
    dry: Annotated[bool, typer.Option("--dry-run", help="Only say which would go.")] = False,
    registry: RegistryDir = None,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Prune versions."""
    from scalable.registry.address import registry_path
    from scalable.registry.registry import Registry

    going = Registry(registry_path(registry)).prune(name, keep, dry=dry)
    if not quiet:
        which = ", ".join(map(str, going)) or "none"
        typer.echo(f"{name}: {len(going)} versions {'would lose' if dry else 'lost'} their models ({which})")
    write_sections(json_file, "models", {"name": name, "pruned": going, "dry_run": dry})
