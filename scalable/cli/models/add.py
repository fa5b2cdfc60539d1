"""``scalable models add``: a trained model becomes a version."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scalable.cli.models.registry_options import Name, RegistryDir, pairs
from scalable.cli.options import Debug, Json, Quiet
from scalable.cli.output import write_sections

HELP = """Copy MODEL into the registry as the next version of NAME, with what is known of it.

`scalable train ... --register NAME` does so with all that training knows.

\b
Examples:
  scalable models add fraud forest.model --metric auc=.87 --tag team=risk
  scalable models add fraud forest.model --data fraud/ --results train.json --parent fraud@3
"""


def command(
    name: Name,
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A saved model, or a forest's own file.")],
    registry: RegistryDir = None,
    metric: Annotated[
        list[str] | None, typer.Option("--metric", metavar="NAME=NUMBER", help="A metric; again for more.")
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", metavar="NAME=VALUE", help="A tag; again for more.")
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", metavar="DATA", help="What it learned from, for its fingerprint.")
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option("--results", metavar="FILE", help="Metrics from `--json` of train or evaluate."),
    ] = None,
    parent: Annotated[
        list[str] | None, typer.Option("--parent", metavar="NAME@VERSION", help="What it came from.")
    ] = None,
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="A word about it.")] = "",
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Add a model."""
    from scalable import ParquetSource
    from scalable.cli.models.record import metrics_of, record
    from scalable.errors import DataError
    from scalable.models.predictors import load_model
    from scalable.report.results import read_results
    from scalable.storage.documents import understood
    from scalable.storage.places import place

    load_model(model)  # a damaged one is no version
    metrics: dict[str, float] = {}
    if results is not None:
        found = read_results(results)
        with understood(DataError, results, "give results of `scalable evaluate --json FILE`"):
            rows = found["sections"].get("quality") or []
            metrics = metrics_of(rows[0]) if rows else {}
    for key, text in pairs("--metric", metric).items():
        try:
            metrics[key] = float(text)
        except ValueError:
            raise typer.BadParameter(f"--metric {key}={text}: not a number") from None
    source = None if data is None else ParquetSource(data).fingerprint()
    parents = [_numbered(registry, text) for text in parent or ()]
    number = record(
        registry,
        name,
        model,
        data=source,
        metrics=metrics,
        tags=pairs("--tag", tag),
        parents=parents,
        note=note,
    )
    if not quiet:
        typer.echo(f"{name} {number} is {place(model)}")
    write_sections(json_file, "models", {"name": name, "version": number})


def _numbered(registry: Path | None, parent: str) -> str:
    """Return ``NAME@NUMBER`` of a version of this registry, which has to be there; another registry's as it is."""
    from scalable.errors import ModelError
    from scalable.registry.address import registry_path
    from scalable.registry.registry import Registry

    name, _, which = parent.partition("@")
    if not name or not which:
        raise typer.BadParameter(f"--parent {parent!r} is not NAME@VERSION")
    known = Registry(registry_path(registry))
    try:
        names = known.names()
    except ModelError:  # the first model makes it
        return parent
    return f"{name}@{known.number_of(name, which)}" if name in names else parent
