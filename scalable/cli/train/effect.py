"""``scalable effect``: what a cause does to the target."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from scalable.cli.options import ClientAddress, Debug, Exclude, Json, Quiet, Workers, split_names
from scalable.cli.output import write_sections

HELP = """Estimate the effect of a column on the target, with its error.

By default double machine learning: what the controls say of both is taken away, by cross-fitted least squares in two
passes. With --before, an experiment by coin: CAUSE is 0 or 1, and what columns of before say of the target is taken
away (CUPED).

\b
Examples:
  scalable generate effect --rows 100k --out effect/
  scalable effect effect/ --target target --cause treatment --controls x_00,x_01,x_02
  scalable effect effect/ --target target --cause coin --before before --json lift.json
"""


def command(
    data: Annotated[str, typer.Argument(metavar="DATA", help="File, directory or glob of Parquet.")],
    target: Annotated[str, typer.Option("--target", metavar="COL", help="A number.")],
    cause: Annotated[str, typer.Option("--cause", metavar="COL", help="Column whose effect is asked for.")],
    controls: Annotated[
        str | None,
        typer.Option("--controls", metavar="COLS", help="What may move both; by default all others."),
    ] = None,
    before: Annotated[
        str | None, typer.Option("--before", metavar="COLS", help="Known before the coin was tossed.")
    ] = None,
    level: Annotated[float, typer.Option("--level", metavar="SHARE", help="Of the interval.")] = 0.95,
    workers: Workers = None,
    exclude: Exclude = None,
    client: ClientAddress = None,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Estimate an effect."""
    from scalable import ParquetSource
    from scalable.causal import cuped, double_ml
    from scalable.cli.screen.display import live
    from scalable.errors import UsageError
    from scalable.execution.executors import get_executor

    if controls is not None and before is not None:
        raise UsageError(
            "--controls are of double machine learning, --before of an experiment: give one of them"
        )
    source = ParquetSource(data, target=target, exclude=split_names(exclude) or ())
    with live(quiet), get_executor(client, workers) as executor:
        if before is not None:
            found = cuped(source, cause, split_names(before) or [], executor=executor)
        else:
            found = double_ml(source, cause, controls=split_names(controls), executor=executor)
    low, high = found.interval(level)
    if not quiet:
        typer.echo(
            f"{cause}: {found.coef:.6g}, {level:.4g} interval {low:.6g} to {high:.6g}, {found.rows:,} rows"
        )
        typer.echo(
            f"without adjustment {found.plain:.6g} (error {found.plain_error:.3g}, here {found.error:.3g})"
        )
    write_sections(
        json_file, "effect", {"effect": {**asdict(found), "low": low, "high": high, "level": level}}
    )
