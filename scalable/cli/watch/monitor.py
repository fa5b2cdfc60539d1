"""``scalable monitor``: whether the data drifted, and whether the model still holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scalable.cli.options import ClientAddress, Debug, Json, Quiet, Workers
from scalable.cli.output import output_file, write_json, write_page

HELP = """Hold DATA against the rows that MODEL learned from: drift of columns and predictions, performance, alarms.

One pass over any amount of Parquet. `scalable train` keeps a profile of the reference in the model; --reference takes
other rows. Ends with 0 when quiet, with 3 on an alarm.

\b
Examples:
  scalable monitor forest.model held_out/ --time time --every 1w
  scalable monitor registry:fraud@production new/ --target is_fraud --out drift.html
  scalable monitor forest.model new/ --labels later.parquet --key payment_id --json drift.json
  scalable monitor forest.model scored/ --prediction score --reference held_out/ --prometheus drift.prom
"""
ALARM = 3


def command(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A saved model, or registry:NAME@ALIAS.")],
    data: Annotated[str, typer.Argument(metavar="DATA", help="File, directory or glob of Parquet.")],
    reference: Annotated[
        str | None,
        typer.Option("--reference", metavar="REF", help="Rows to hold DATA against."),
    ] = None,
    time: Annotated[
        str | None, typer.Option("--time", metavar="COL", help="Column of times: a verdict a period.")
    ] = None,
    every: Annotated[str, typer.Option("--every", metavar="SPAN", help="A period: 15m, 1h, 1d, 1w.")] = "1d",
    target: Annotated[
        str | None,
        typer.Option("--target", metavar="COL", help="The label, where DATA (or --labels, REF) has it."),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option("--labels", metavar="DATA", help="Labels that came later: --key and the target."),
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", metavar="COL", help="Column that finds a row's label.")
    ] = None,
    prediction: Annotated[
        str | None,
        typer.Option("--prediction", metavar="COL", help="Predictions that DATA has already."),
    ] = None,
    alpha: Annotated[
        float,
        typer.Option("--alpha", metavar="P", min=1e-15, max=0.5, help="Chance of a false alarm, per figure."),
    ] = 1e-6,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", callback=output_file, help="Also write a page.")
    ] = None,
    prometheus: Annotated[
        Path | None,
        typer.Option("--prometheus", metavar="FILE", callback=output_file, help="Also write metrics."),
    ] = None,
    workers: Workers = None,
    client: ClientAddress = None,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Monitor a model."""
    from scalable import ParquetSource
    from scalable.cli.screen.display import live
    from scalable.cli.screen.meter import measured
    from scalable.errors import UsageError
    from scalable.execution.executors import get_executor
    from scalable.feature_store.definitions import nanoseconds
    from scalable.models.predictors import load_model
    from scalable.monitor.prometheus import prometheus_text
    from scalable.monitor.run import monitor
    from scalable.monitor.thresholds import Thresholds
    from scalable.report import render
    from scalable.report.document import new_results
    from scalable.storage.places import place

    try:
        period = nanoseconds(every)
    except ValueError as error:
        raise typer.BadParameter(f"--every {error}") from None
    predictor, called = load_model(model), str(place(model))
    encoder = getattr(predictor, "encoder", None)
    known = getattr(getattr(encoder, "labels", None), "column", None)
    later = None
    if labels is not None and (target or known) is None:
        raise UsageError("--labels needs --target: the column of the label")
    needed = list(predictor.needed)
    source = ParquetSource(data, target=target if labels is None else None, features=needed)
    if labels is not None and key is not None:
        later = ParquetSource(labels, target=target or known, features=[key])
    elif (labels is None) != (key is None):
        raise UsageError(
            "--labels and --key go together: labels that came later, and the column that finds them"
        )
    held = None
    if reference is not None:
        held = ParquetSource(reference, features=needed)
        name = target or known
        if name in held.full_schema.names:
            held = ParquetSource(reference, target=name, features=needed)
    with live(quiet), get_executor(client, workers) as executor, measured("monitor", source.n_rows) as stage:
        report = monitor(
            model, source, reference=held, time=time, every=period, labels=later, key=key, prediction=prediction,
            thresholds=Thresholds(alpha=alpha), executor=executor,
        )  # fmt: skip
    section = report.to_json()
    results = new_results(
        "monitor",
        {"dataset": {"name": data, "rows": source.n_rows}, "stages": [stage.to_json()], "monitor": section},
    )
    n = len(section["rows"])
    if not quiet:
        for row in section["alarms"][:40]:
            typer.echo(
                f"{row['period']}  {row['column']}: {row['statistic']} {row['value']:.4g} "
                f"(alarm from {row['threshold']:.4g}, reference {row['reference']:.4g})"
            )
        more = len(section["alarms"]) - 40
        typer.echo(f"... and {more} more" if more > 0 else "", nl=more > 0)
        typer.echo(
            f"{called}: {n} period{'s' * (n != 1)} {stage.in_words(source.n_rows)}, {len(section['alarms'])} alarms"
        )
        for note in section["notes"]:
            typer.echo(note)
    if out is not None:
        write_page(out, render([results]))
    if prometheus is not None:
        write_page(prometheus, prometheus_text(report, called))
    write_json(json_file, results)
    if section["alarms"]:
        raise typer.Exit(ALARM)
