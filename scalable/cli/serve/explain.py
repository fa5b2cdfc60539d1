"""``scalable explain``: what each column adds to each row's score."""

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
from scalable.cli.output import write_json

HELP = """Write what each raw column of DATA adds to the scores of MODEL, as Parquet in input order, and a page.

Forests: exact path-dependent SHAP values. Linear models: coefficient times distance from the mean. Contributions and
`expected` add up to `score`, which is before the link: log odds, or the mean itself. The page, _explanation.html, has
the mean size of each column's contributions, their distribution, and how they depend on the strongest columns.

\b
Examples:
  scalable explain forest.model held_out/ --out why/
  scalable explain forest.model held_out/ --out why/ --top 3      reason codes instead
  scalable explain forest.model held_out/ --out why/ --resume
"""
PAGE = "_explanation.html"  # readers of datasets skip names that start so


def command(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A saved model, or a forest's own file.")],
    data: Annotated[str, typer.Argument(metavar="DATA", help="File, directory or glob of Parquet.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Directory to write.")],
    top: Annotated[
        int | None,
        typer.Option("--top", metavar="K", min=1, help="Write the K strongest columns of each row instead."),
    ] = None,
    workers: Workers = None,
    client: ClientAddress = None,
    partitioning: Partitioning = "hive",
    resume: Resume = False,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Explain Parquet."""
    from scalable import ParquetSource
    from scalable.cli.screen.display import live
    from scalable.cli.screen.meter import measured
    from scalable.execution.executors import get_executor
    from scalable.models.predictors import load_model
    from scalable.report import render
    from scalable.report.document import new_results
    from scalable.scoring.explain_files import explain_files
    from scalable.storage.places import place
    from scalable.storage.replace import write_text

    predictor = load_model(model)
    source = ParquetSource(data, features=predictor.needed, partitioning=parse_partitioning(partitioning))
    with (
        live(quiet),
        get_executor(client, workers) as executor,
        measured("explain", source.n_rows) as stage,
    ):
        found = explain_files(predictor, source, out, top=top, executor=executor, resume=resume)
    sections = {
        "dataset": {"name": data, "rows": source.n_rows},
        "stages": [stage.to_json()],
        "explanation": found["explanation"],
    }
    results = new_results("explain", sections)
    out = place(out)
    write_text(out / PAGE, render([results]))
    if not quiet:
        typer.echo(f"{out}: {found['written']:,} rows explained {stage.in_words(found['written'])}")
        for one in found["explanation"]["outputs"]:
            strongest = ", ".join(f"{c['column']} {c['mean_abs']:.3g}" for c in one["columns"][:3])
            typer.echo(f"{one['output']}: strongest are {strongest} (mean size); {out}/{PAGE}")
    write_json(json_file, results)
