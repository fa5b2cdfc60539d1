"""``scalable verify``: check a generated dataset against its manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scalable.cli.options import Debug, Json, Quiet
from scalable.cli.output import write_sections

HELP = """Check a generated dataset: schema, counts, checksums, a sample of recomputed values.

\b
Examples:
  scalable verify fraud/
  scalable verify fraud/ --json verified.json
"""


def command(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A dataset with a manifest.json.")],
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Verify a dataset."""
    import data_gen
    from scalable.cli.screen.display import live

    with live(quiet):
        problems = [str(problem) for problem in data_gen.verify(directory)]
    for problem in problems:
        typer.echo(problem, err=True)
    section = {"directory": directory, "problems": problems}
    write_sections(json_file, "verify", {"verify": section})
    if problems:
        typer.echo(
            f"{directory}: {len(problems)} problem(s); generate it again with --resume or --overwrite",
            err=True,
        )
        raise typer.Exit(1)
    if not quiet:
        typer.echo(f"{directory}: as its manifest says")
