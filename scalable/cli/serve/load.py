"""``scalable load``: requests at a rate of their own."""

from __future__ import annotations

from typing import Annotated

import typer

from scalable.cli.options import Debug, Json, Quiet
from scalable.cli.output import write_json

HELP = """Send rows of DATA to a server at random times, and tell how long answers took.

Arrivals are Poisson and do not wait for answers; latency counts from when a request was meant to leave.

\b
Examples:
  scalable load http://127.0.0.1:8000 --rate 500 --seconds 10 --rows held_out/
  scalable load unix:/run/fraud.sock --rate 500 --rows held_out/
"""


def command(
    place: Annotated[str, typer.Argument(metavar="URL", help="http://HOST:PORT[/path], or unix:PATH.")],
    data: Annotated[str, typer.Option("--rows", metavar="DATA", help="Parquet to take rows from.")],
    rate: Annotated[float, typer.Option("--rate", min=0.1, help="Requests a second.")] = 100.0,
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, help="How long.")] = 10.0,
    remote: Annotated[bool, typer.Option("--remote", help="Allow other machines.")] = False,
    seed: Annotated[int, typer.Option("--seed", help="Of the arrivals.")] = 0,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Offer load."""
    from scalable.data.parquet import ParquetSource
    from scalable.serve.load import QUANTILES, Target, offer

    target = Target(place, remote=remote)
    source = ParquetSource(data)
    raw = next(source.raw_blocks(source.shards[0], list(source.full_schema.names), 1000))
    columns = {name: array[:1000].to_pylist() for name, array in raw.arrays.items()}
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    found = offer(target, rows, rate, seconds, seed)
    quantiles = ", ".join(f"{name.removesuffix('_us')} {found[name]:,.0f} us" for name in QUANTILES)
    if not quiet:
        typer.echo(f"{found['requests']:,} requests, {found['failed']:,} failed: {quantiles}")
    write_json(json_file, found)
