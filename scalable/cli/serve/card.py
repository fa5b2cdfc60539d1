"""``scalable card``: a page that says what a model is, for those who must answer for it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scalable.cli.options import (
    ClientAddress,
    Debug,
    Json,
    Partitioning,
    Quiet,
    Target,
    Weight,
    Workers,
    parse_partitioning,
    split_names,
)
from scalable.cli.output import output_file, write_json, write_page

HELP = """Write a page about MODEL on labelled DATA that it has not learned from.

What the model is, the data's fingerprint, quality with calibration, quality by segment, what moves the score and in
which direction, the most frequent reasons, and limits. Segments are the categories of the strongest columns of few,
or of those named with --by, which need not be features.

\b
Examples:
  scalable card forest.model held_out/ --target is_fraud --out card.html
  scalable card forest.model held_out/ --target is_fraud --by country,channel --out card.html
"""


def command(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A saved model, or a forest's own file.")],
    data: Annotated[str, typer.Argument(metavar="DATA", help="File, directory or glob of Parquet.")],
    target: Target,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", callback=output_file, help="The page.")],
    by: Annotated[
        str | None, typer.Option("--by", metavar="A,B,...", help="Columns of the segments.")
    ] = None,
    weight: Weight = None,
    partitioning: Partitioning = "hive",
    workers: Workers = None,
    client: ClientAddress = None,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write a model card."""
    from scalable import ParquetSource
    from scalable.cli.screen.display import live
    from scalable.cli.screen.meter import measured
    from scalable.execution.executors import get_executor
    from scalable.models.predictors import load_model
    from scalable.registry.address import model_path
    from scalable.report import render
    from scalable.report.document import new_results
    from scalable.scoring.card import card

    place = model_path(model)
    predictor = load_model(place)
    source = ParquetSource(
        data,
        target=target,
        features=predictor.needed,
        weight=weight,
        partitioning=parse_partitioning(partitioning),
    )
    with live(quiet), get_executor(client, workers) as executor, measured("card", source.n_rows) as stage:
        found = card(place, predictor, source, executor, split_names(by))
    dataset = {
        "name": data, "rows": source.n_rows, "files": len(source.paths),
        "checksum": source.fingerprint().digest()[:16],
    }  # fmt: skip
    results = new_results("card", {"dataset": dataset, "stages": [stage.to_json()], **found})
    write_page(out, render([results]))
    if not quiet:
        typer.echo(f"{out}: {source.n_rows:,} rows, {len(found.get('segments', ()))} segments")
    write_json(json_file, results)
