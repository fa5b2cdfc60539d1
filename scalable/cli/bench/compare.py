"""``scalable compare``: what changed between two results, and whether it is more than noise."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scalable.cli.options import Debug, Json, Quiet
from scalable.cli.output import write_sections

HELP = """Compare two results files: what changed, and whether it is more than noise.

\b
Examples:
  scalable compare before.json after.json
  scalable compare laptop.json server.json --force
"""


def command(
    before: Annotated[Path, typer.Argument(metavar="A.json")],
    after: Annotated[Path, typer.Argument(metavar="B.json")],
    force: Annotated[bool, typer.Option("--force", help="Compare other machines or datasets too.")] = False,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Compare results."""
    from scalable.errors import UsageError
    from scalable.report.compare import compare
    from scalable.report.results import read_results
    from scalable.report.terminal import print_comparison

    a, b = read_results(before), read_results(after)
    changes = compare(a, b, force=force)
    if not changes["rows"]:
        raise UsageError(
            f"compare: {before} ({a['kind']}) and {after} ({b['kind']}) have no number in common; "
            "give two results of the same command"
        )
    if not quiet:
        print_comparison(changes)
    write_sections(json_file, "compare", {"compare": changes})
