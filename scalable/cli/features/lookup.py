"""``scalable features lookup``: the features of one entity, as they are known."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from scalable.cli.features.arguments import Definition, Store, nanoseconds_of
from scalable.cli.options import Debug, Json, Quiet
from scalable.cli.output import write_sections

HELP = """Look up the features of entities, given as COLUMN=VALUE, in the online store.

\b
Examples:
  scalable features lookup features.toml card_id=17 --store store/
  scalable features lookup features.toml card_id=17 merchant_id=4 --store store/ --at 2026-03-01T12:00:00
"""


def command(
    definition: Definition,
    entities: Annotated[list[str], typer.Argument(metavar="COLUMN=VALUE...", help="Whom to look up.")],
    store: Store,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="As known then (default: now).")
    ] = None,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Look up features."""
    from scalable.feature_store.online.store import OnlineStore

    when = nanoseconds_of(at)
    given: dict[str, Any] = dict(_pair(text) for text in entities)
    with OnlineStore(str(definition), store) as opened:
        for name, view in opened.definitions.views.items():
            bound = opened.bound(name)
            if bound is not None and str(bound.entity).startswith(("int", "uint")) and view.entity in given:
                given[view.entity] = _number(view.entity, given[view.entity])
        answer = opened.lookup(given, at=when)
        seconds = {f.name for f in opened.definitions.features if f.function == "time_since_last"}
        found = {feature.name: answer[feature.name] for feature in opened.definitions.features}
    if not quiet:
        width = max(map(len, found))
        for name, value in found.items():
            missing = value is None or value != value  # noqa: PLR0124  NaN
            typer.echo(
                f"{name:<{width}}  {'-' if missing else value}{' s' * (name in seconds and not missing)}"
            )
    write_sections(json_file, "features", {"features": found})


def _pair(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not found:
        raise typer.BadParameter(f"{text!r} is not COLUMN=VALUE")
    return name, value


def _number(name: str, text: Any) -> int:
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"{name} is {text!r}; the store's entities are whole numbers") from None
