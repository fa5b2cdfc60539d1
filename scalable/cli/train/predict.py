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
column per class.

\b
Examples:
  scalable predict fraud.model new/ --out scored/
  scalable predict fraud.model 'new/*.parquet' --out scored/ --workers 2 --resume
"""


def command(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A saved model, or a forest's own file.")],
    data: Annotated[str, typer.Argument(metavar="DATA", help="File, directory or glob of Parquet.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Directory to write.")],
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
    from scalable.execution.executors import get_executor
    from scalable.models.predictors import load_model
    from scalable.scoring.predict_files import score

    predictor = load_model(model)
    source = ParquetSource(data, features=predictor.needed, partitioning=parse_partitioning(partitioning))
    with (
        live(quiet),
        get_executor(client, workers) as executor,
        measured("predict", source.n_rows) as stage,
    ):
        written = score(predictor, source, out, executor=executor, resume=resume)
    if not quiet:
        typer.echo(f"{out}: {written:,} predictions {stage.in_words(written)}")
    sections = {"dataset": {"name": data, "rows": source.n_rows}, "stages": [stage.to_json()]}
    write_sections(json_file, "predict", sections)
