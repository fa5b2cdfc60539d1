"""``scalable features check``: what a training set holds that was not known at its rows' times."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from scalable.cli.features.arguments import Closed, Definition, Time
from scalable.cli.options import ClientAddress, Debug, Json, Quiet, Workers
from scalable.cli.output import write_sections

HELP = """Check a finished training set for leaks: which rows hold what became known only after their time.

TRAINING has the entity columns, a time, and features by the names that `scalable features list` gives. Ends with 0
when everything was known, with 3 when not.

\b
Examples:
  scalable features check features.toml training/
  scalable features check features.toml theirs.parquet --time asked_at
"""
ALARM = 3


def command(
    definition: Definition,
    training: Annotated[str, typer.Argument(metavar="TRAINING", help="Parquet of a training set.")],
    time: Time = "time",
    closed: Closed = "right",
    workers: Workers = None,
    client: ClientAddress = None,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Check for leaks."""
    from scalable.cli.screen.display import live
    from scalable.execution.executors import get_executor
    from scalable.feature_store.check import check_leaks

    with live(quiet), get_executor(client, workers) as executor:
        findings = check_leaks(training, str(definition), time=time, closed=closed, executor=executor)
    wrong = [finding for finding in findings if finding.different]
    if not quiet:
        for finding in wrong:
            typer.echo(_line(finding))
        typer.echo(
            f"{len(findings)} features of {findings[0].rows:,} rows, {len(wrong)} hold what was not known"
        )
    write_sections(json_file, "features", {"findings": [asdict(finding) for finding in findings]})
    if wrong:
        raise typer.Exit(ALARM)


def _line(finding: object) -> str:
    """Return what is said of a feature: how many rows, how far in the future, the first of them."""
    from scalable.feature_store.check import Finding

    assert isinstance(finding, Finding)
    shown = ", ".join(
        f"row {row:,}" + ("" if lead is None else f" by {span(lead)}") for row, lead in finding.examples
    )
    looked = "" if finding.examined == finding.different else f" of {finding.examined:,} looked at"
    future = f"; {finding.leaked:,}{looked} hold what became known later, up to {span(finding.furthest)}"
    return (
        f"{finding.feature}: {finding.different:,} of {finding.rows:,} rows differ from what was known"
        f"{future if finding.leaked else ', and nothing later explains them'} ({shown})"
    )


def span(nanoseconds: int) -> str:
    """Return a span of time as people say it."""
    seconds = nanoseconds / 1e9
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"
