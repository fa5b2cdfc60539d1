"""``scalable load``: requests at a rate of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scalable.cli.options import Debug, Json, Quiet
from scalable.cli.output import output_file, write_json, write_page

HELP = """Send rows of DATA to a server at random times, and tell how long answers took.

Arrivals are Poisson and do not wait for answers; latency counts from when a request was meant to leave. A request whose
connection the server closed is sent again. With --ramp the rate grows from --rate by 1.4 a step until the server does
not keep up, and --out draws latency against load.

\b
Examples:
  scalable load http://127.0.0.1:8000 --rate 500 --seconds 10 --rows held_out/
  scalable load http://127.0.0.1:8000 --ramp --rows held_out/ --out load.html
  scalable load unix:/run/fraud.sock --rate 500 --rows held_out/
"""


def command(
    place: Annotated[str, typer.Argument(metavar="URL", help="http://HOST:PORT[/path], or unix:PATH.")],
    data: Annotated[str, typer.Option("--rows", metavar="DATA", help="Parquet to take rows from.")],
    rate: Annotated[float, typer.Option("--rate", metavar="R", min=0.1, help="Requests a second.")] = 100.0,
    grow: Annotated[bool, typer.Option("--ramp", help="Offer more and more until it is too much.")] = False,
    seconds: Annotated[
        float, typer.Option("--seconds", metavar="S", min=0.1, help="How long, or each step of a ramp.")
    ] = 10.0,
    remote: Annotated[bool, typer.Option("--remote", help="Allow other machines.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", callback=output_file, help="Also write a page.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of the arrivals.")] = 0,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Offer load."""
    import pyarrow as pa
    import pyarrow.types as pt

    from scalable.cli.data.any_parquet import every_column
    from scalable.cli.screen.display import live
    from scalable.report import render
    from scalable.report.document import new_results
    from scalable.serve.load import QUANTILES, Target, offer, ramp

    target = Target(place, remote=remote)
    source = every_column(data)
    raw = next(source.raw_blocks(source.shards[0], source.feature_names, 1000))
    columns = {}
    for name, array in raw.arrays.items():
        if not (pt.is_nested(array.type) or pt.is_binary(array.type)):  # no model reads those
            counted = array.cast(pa.int64()) if pt.is_duration(array.type) else array
            columns[name] = counted[:1000].to_pylist()
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    with live(quiet):
        steps = (
            ramp(target, rows, rate, seconds, seed) if grow else [offer(target, rows, rate, seconds, seed)]
        )
    if not quiet:
        for step in steps:
            quantiles = ", ".join(f"{name.removesuffix('_us')} {step[name]:,.0f} us" for name in QUANTILES)
            again = f", {step['sent_again']:,} sent again" if step["sent_again"] else ""
            typer.echo(
                f"{step['rate']:,.0f}/s: {step['requests']:,} requests, {step['failed']:,} failed{again}: {quantiles}"
            )
            for status, reason in step["reasons"].items():
                typer.echo(f"  {status}: {reason}")
    results = new_results("load", {"load": steps}, seed)
    if out is not None:
        write_page(out, render([results]))
    write_json(json_file, results)
    if all(step["failed"] == step["requests"] for step in steps):
        raise typer.Exit(1)
