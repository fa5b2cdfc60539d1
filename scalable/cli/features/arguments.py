"""Arguments and options that the commands of features share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Definition = Annotated[Path, typer.Argument(metavar="DEF.toml", help="The features' definitions.")]
Store = Annotated[Path, typer.Option("--store", metavar="DIR", help="The online store.")]
Time = Annotated[str, typer.Option("--time", metavar="COL", help="Column of the rows' times.")]
Closed = Annotated[
    str,
    typer.Option(
        "--closed", metavar="SIDE", help="right, or left: without what became known at the time itself."
    ),
]


def nanoseconds_of(text: str | None) -> int | None:
    """Return a time as ISO writes it (UTC without a zone) in nanoseconds since 1970.

    Raises
    ------
    typer.BadParameter
        It is not one, or further away than nanoseconds of 64 bits reach.
    """
    from datetime import UTC, datetime

    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time, such as 2026-03-01T12:00:00") from None
    found = found.replace(tzinfo=UTC) if found.tzinfo is None else found
    since = found - datetime(1970, 1, 1, tzinfo=UTC)
    whole = (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000
    if not -(2**63) <= whole < 2**63:
        raise typer.BadParameter(f"{text!r} is further away than nanoseconds reach, the years 1678 to 2262")
    return whole
