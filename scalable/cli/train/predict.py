"""``scalable predict``: score Parquet of any size to Parquet, in input order."""

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
    Resume,
    Workers,
    parse_partitioning,
)
from scalable.cli.output import write_sections

HELP = """Score DATA with MODEL and write the predictions as Parquet, in input order.

Files of up to about a million rows, with the column `prediction` (positive-class probability or mean) or one
column per class. --within adds what `scalable calibrate --out` promised: columns `lower` and `upper`, or of each class
whether the set holds it.

\b
Examples:
  scalable predict forest.model held_out/ --out scored/
  scalable predict price.model new/ --out scored/ --within intervals.json
  scalable predict forest.model 'held_out/*.parquet' --out scored/ --workers 2 --resume
"""


def command(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A saved model, or a forest's own file.")],
    data: Annotated[str, typer.Argument(metavar="DATA", help="File, directory or glob of Parquet.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Directory to write.")],
    within: Annotated[
        Path | None, typer.Option("--within", metavar="FILE", help="Thresholds of intervals or sets.")
    ] = None,
    upper: Annotated[
        Path | None, typer.Option("--upper", metavar="MODEL", help="The upper quantile, with --within.")
    ] = None,
    workers: Workers = None,
    client: ClientAddress = None,
    partitioning: Partitioning = "hive",
    resume: Resume = False,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Score Parquet."""
    from scalable import ParquetSource
    from scalable.cli.screen.display import live
    from scalable.cli.screen.meter import measured
    from scalable.errors import UsageError
    from scalable.evaluate import Conformal
    from scalable.execution.executors import get_executor
    from scalable.models.predictors import load_model
    from scalable.scoring.predict_files import score
    from scalable.scoring.promises import Promises
    from scalable.storage.places import place

    if upper is not None and within is None:
        raise UsageError("--upper goes with --within: the thresholds that were calibrated with it")
    predictor = load_model(model)
    promised = None if within is None else Conformal.load(within)
    high = None if upper is None else load_model(upper)
    named = predictor.needed if promised is None else Promises(predictor, promised, high).needed
    source = ParquetSource(data, features=named, partitioning=parse_partitioning(partitioning))
    with (
        live(quiet),
        get_executor(client, workers) as executor,
        measured("predict", source.n_rows) as stage,
    ):
        written = score(predictor, source, out, executor=executor, resume=resume, within=promised, upper=high)
    if not quiet:
        typer.echo(f"{place(out)}: {written:,} predictions {stage.in_words(written)}")
    sections = {"dataset": {"name": data, "rows": source.n_rows}, "stages": [stage.to_json()]}
    write_sections(json_file, "predict", sections)
