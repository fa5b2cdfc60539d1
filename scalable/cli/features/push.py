"""``scalable features push``: events into the online store as they happen."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from scalable.cli.features.arguments import Definition, Store, nanoseconds_of
from scalable.cli.options import Debug, Json, Quiet
from scalable.cli.output import write_sections

HELP = """Add EVENTS to a view of the online store; what is looked up afterwards counts them. All are added or none.

\b
Examples:
  scalable features push features.toml card held_out/ --store store/
"""


def command(
    definition: Definition,
    view: Annotated[str, typer.Argument(metavar="VIEW", help="A view of the definitions.")],
    events: Annotated[str, typer.Argument(metavar="EVENTS", help="Parquet with the columns of its source.")],
    store: Store,
    now: Annotated[
        str | None,
        typer.Option(
            "--now", metavar="TIME", help="No earlier time will be looked up (default: the clock's)."
        ),
    ] = None,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Push events."""
    from scalable.cli.screen.display import live
    from scalable.feature_store.online.materialize import push
    from scalable.feature_store.online.store import OnlineStore

    when = nanoseconds_of(now)
    with live(quiet), OnlineStore(str(definition), store, create=True) as opened:
        done = push(opened, view, events, now=when)
    if not quiet:
        strange = ", ".join(f"{n:,} {what}" for what, n in done.counts.items() if n and what != "events")
        typer.echo(
            f"{view}: {done.events:,} events of {done.entities:,} entities{': ' if strange else ''}{strange}"
        )
    write_sections(json_file, "features", {"views": {view: asdict(done)}})
