"""``scalable features list``: what a file defines, and what changed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scalable.cli.features.arguments import Definition
from scalable.cli.options import Debug, Json, Quiet
from scalable.cli.output import write_sections

HELP = """List the features that DEF.toml defines, with the types of their columns; or what changed since OLD.toml.

\b
Examples:
  scalable features list features.toml
  scalable features list features.toml --since old.toml
"""


def command(
    definition: Definition,
    since: Annotated[
        Path | None, typer.Option("--since", metavar="OLD.toml", help="Tell differences only.")
    ] = None,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """List features."""
    from scalable.feature_store.bind import open_view
    from scalable.feature_store.definitions import difference
    from scalable.feature_store.read_definitions import read_definitions

    definitions = read_definitions(definition)
    if since is not None:
        lines = difference(read_definitions(since), definitions)
        if not quiet:
            typer.echo("\n".join(lines) or "nothing changed")
        write_sections(json_file, "features", {"changes": lines, "fingerprint": definitions.fingerprint()})
        return
    rows = []
    for view in definitions.views.values():
        bound, _ = open_view(definitions, view)
        rows += [
            {
                "feature": f.name,
                "type": str(bound.type_of(f)),
                "view": view.name,
                "entity": view.entity,
                "function": f.function,
            }
            for f in view.features
        ]
    if not quiet:
        width = max(len(row["feature"]) for row in rows)
        for row in rows:
            typer.echo(f"{row['feature']:<{width}}  {row['type']:<14}  {row['function']} by {row['entity']}")
        typer.echo(f"{len(rows)} features, fingerprint {definitions.fingerprint()}")
    write_sections(json_file, "features", {"features": rows, "fingerprint": definitions.fingerprint()})
