"""``scalable features materialize``: files into the online store."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from scalable.cli.features.arguments import Definition, Store, nanoseconds_of
from scalable.cli.options import ClientAddress, Debug, Json, Quiet, Workers
from scalable.cli.output import write_sections

HELP = """Bring the online store of DEF.toml up to date: files that were not taken before are, each once.

One transaction a view: a kill leaves what was there.

\b
Examples:
  scalable features materialize features.toml --store store/
  scalable features materialize features.toml --store store/ --from 2026-03-01
"""


def command(
    definition: Definition,
    store: Store,
    since: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TIME",
            help="No earlier time will be looked up (default: the latest of the events).",
        ),
    ] = None,
    workers: Workers = None,
    client: ClientAddress = None,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Materialize."""
    from scalable.cli.screen.display import live
    from scalable.cli.screen.line import human
    from scalable.cli.screen.meter import measured
    from scalable.execution.executors import get_executor
    from scalable.feature_store.online.materialize import materialize

    horizon = nanoseconds_of(since)
    with live(quiet), get_executor(client, workers) as executor, measured("materialize", 0) as stage:
        done = materialize(str(definition), store, executor=executor, horizon=horizon)
    if not quiet:
        for name, view in done.items():
            typer.echo(
                f"{name}: {view.events:,} events of {view.entities:,} entities in {stage.seconds:.1f} s "
                f"({human(view.entities / stage.seconds)} entities/s), {view.skipped_files:,} files were there before"
                + (f", {view.repeated:,} events equal another" if view.repeated else "")
                + "".join(f", {n:,} {what}" for what, n in view.counts.items() if n and what != "events")
            )
    views = {name: asdict(view) for name, view in done.items()}
    write_sections(json_file, "features", {"views": views, "stages": [stage.to_json()]})
