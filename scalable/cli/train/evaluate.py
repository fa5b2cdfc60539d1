"""``scalable evaluate``: score a saved model on labelled Parquet of any size."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scalable.cli.options import (
    ClientAddress,
    Debug,
    Group,
    Json,
    Partitioning,
    Quiet,
    Target,
    Weight,
    Workers,
    parse_partitioning,
)
from scalable.cli.output import write_json

HELP = """Evaluate MODEL on labelled DATA in one pass of constant memory.

Beside stand the scores of always predicting the base rate (the mean of a quantity), and, for a dataset made by
`scalable generate`, the best achievable ones on the same rows.

\b
Examples:
  scalable evaluate forest.model held_out/ --target is_fraud
  scalable evaluate line.model held_out/ --target is_fraud --json line.json
  scalable evaluate ranker.model results/ --target relevance --group query
"""


def command(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A saved model, or a forest's own file.")],
    data: Annotated[str, typer.Argument(metavar="DATA", help="File, directory or glob of Parquet.")],
    target: Target,
    weight: Weight = None,
    group: Group = None,
    partitioning: Partitioning = "hive",
    workers: Workers = None,
    client: ClientAddress = None,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Evaluate a model."""
    from scalable import ParquetSource
    from scalable.cli.screen.display import live
    from scalable.cli.screen.meter import measured
    from scalable.cli.train.bayes import bayes_report
    from scalable.errors import UsageError
    from scalable.evaluate.inputs import ranks
    from scalable.execution.executors import get_executor
    from scalable.models.predictors import load_model
    from scalable.report.document import new_results
    from scalable.report.sections import BASE_RATE
    from scalable.report.terminal import print_summary
    from scalable.scoring.evaluate import base_rates, evaluate_model, quality_row
    from scalable.scoring.queries import evaluate_queries, order_rows
    from scalable.storage.places import place

    if group is not None and weight is not None:
        raise typer.BadParameter("queries count once each; leave --weight out, or --group")
    predictor, called = load_model(model), str(place(model))
    if target in predictor.needed:
        raise UsageError(
            f"--target {target}: the model sees that column; give the column of what it predicts, or of the same thing"
        )
    if group is None and ranks(predictor):
        raise UsageError("the model orders the rows of queries; name their column by --group COL")
    source = ParquetSource(
        data, target=target, features=predictor.needed, weight=weight, group=group,
        partitioning=parse_partitioning(partitioning),
    )  # fmt: skip
    with live(quiet), get_executor(client, workers) as executor:
        with measured("evaluate", source.n_rows) as stage:
            if group is not None:
                rows, best = order_rows(called, evaluate_queries(predictor, source, executor)), None
            else:
                report = evaluate_model(predictor, source, executor)
        if group is None:
            rows = [
                quality_row(called, report, predictor.classes),
                {"model": BASE_RATE, **base_rates(report)},
            ]
            best = bayes_report(source, data, executor)
    if best is not None:
        rows.append(quality_row("Bayes-optimal", best))
    results = new_results(
        "evaluate",
        {
            "dataset": {"name": data, "rows": source.n_rows, "files": len(source.paths)},
            "stages": [stage.to_json()],
            "quality": rows,
        },
    )
    if not quiet:
        print_summary(results)
    write_json(json_file, results)
