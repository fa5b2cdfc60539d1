"""``scalable answer``: the roadmap's questions, answered by measurement."""

from __future__ import annotations

from typing import Annotated

import typer

from scalable.cli.names import aligned, answers
from scalable.cli.options import Debug, Json, Quiet, parse_count
from scalable.cli.output import write_sections
from scalable.errors import UsageError

HELP = """Answer a question about machine learning by a measurement made here and now.

The command ends with 1 when the claim of the answer does not hold.

\b
Examples:
  scalable answer --list
  scalable answer met-auc
  scalable answer reg-sparsity --rows 1e6 --json sparsity.json
"""


def command(
    name: Annotated[
        str | None, typer.Argument(metavar="ID", help="Which; --list names all.", autocompletion=answers)
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="Print all, the id first.")] = False,
    rows: Annotated[
        int | None,
        typer.Option(
            "--rows",
            parser=parse_count,
            metavar="N",
            help="Rows, or what the answer counts (default: what takes seconds).",
        ),
    ] = None,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Measure one answer, or list all."""
    from bench.answers.answer import find, ids
    from bench.answers.run import run
    from scalable.cli.screen.display import live

    if listed == (name is not None):
        raise UsageError("give the id of one answer, or --list")
    if name is None:
        typer.echo(aligned((each, find(each).question) for each in ids()))
        return
    answer = find(name)
    with live(quiet):
        result = run(answer, rows)
    write_sections(json_file, "answer", {"answer": result})
    if not quiet:
        typer.echo(f"{answer.question}\n\n{' '.join(result['answer'])}\n")
        size = f"{result['rows']:,} {answer.unit}"
        typer.echo(f"claim    {answer.claim}\nholds    {'yes' if result['holds'] else 'NO'}, at {size}")
        typer.echo(f"program  bench/answers/{answer.section}/{answer.path.name}")
    if not result["holds"]:
        raise typer.Exit(1)
