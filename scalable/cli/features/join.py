"""``scalable features join``: the features of rows as they were known at their times."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scalable.cli.features.arguments import Closed, Definition, Time
from scalable.cli.options import ClientAddress, Debug, Json, Quiet, Resume, Workers
from scalable.cli.output import write_sections

HELP = """Join the features of DEF.toml to the rows of KEYS, as they were known at each row's time.

An event counts from the moment it had happened and was created. The output is Parquet, in the order of KEYS, with
their columns before the features.

\b
Examples:
  scalable features join features.toml held_out/ --out training/
  scalable features join features.toml labels.parquet --time asked_at --closed left --out training/ --resume
"""


def command(
    definition: Definition,
    keys: Annotated[str, typer.Argument(metavar="KEYS", help="Parquet with entity columns and a time.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Directory to write.")],
    time: Time = "time",
    closed: Closed = "right",
    workers: Workers = None,
    client: ClientAddress = None,
    resume: Resume = False,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Join features."""
    from scalable.cli.screen.display import live
    from scalable.cli.screen.meter import measured
    from scalable.execution.executors import get_executor
    from scalable.feature_store.bind import keys_source
    from scalable.feature_store.join import point_in_time_join

    source = keys_source(keys)
    with live(quiet), get_executor(client, workers) as executor, measured("join", source.n_rows) as stage:
        done = point_in_time_join(
            source, str(definition), out, time=time, closed=closed, executor=executor, resume=resume
        )
    if not quiet:
        typer.echo(f"{out}: {done.rows:,} rows {stage.in_words(done.rows)}")
        for view, counts in done.counts.items():
            strange = ", ".join(f"{n:,} {what}" for what, n in counts.items() if n and what != "events")
            typer.echo(f"{view}: {counts['events']:,} events{': ' if strange else ''}{strange}")
    write_sections(json_file, "features", {"counts": done.counts, "stages": [stage.to_json()]})
