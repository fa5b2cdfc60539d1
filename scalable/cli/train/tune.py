"""``scalable tune``: search parameters by successive halving."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scalable.cli.names import learners
from scalable.cli.options import (
    Debug,
    Exclude,
    Features,
    Json,
    Overwrite,
    Partitioning,
    Quiet,
    Resume,
    Target,
    Weight,
    parse_partitioning,
    split_names,
)
from scalable.cli.output import output_file, write_json, write_page

SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True}

HELP = """Search parameters of LEARNER on DATA by successive halving, and fit the best ones.

Trials are points drawn from --space: a TOML file, or NAME=FORM,... with the forms a|b|c, log:LOW:HIGH,
uniform:LOW:HIGH, int:LOW:HIGH and logint:LOW:HIGH. Boosting bins the rows once a worker, and all trials grow trees on
those bins; one trial in --eta goes on to more iterations, by its loss on held-out rows. Trials of other learners see
more and more rows. Other options go to every trial, as in `scalable train`. A killed search goes on with --resume to
the same result.

\b
Examples:
  scalable tune lightgbm fraud/ --target is_fraud --space learning_rate=log:0.01:0.3,num_leaves=15|31|63 --trials 27
  scalable tune lightgbm fraud/ --target is_fraud --space space.toml --valid held_out/ --model m --out search.html
  scalable tune lightgbm fraud/ --target is_fraud --space space.toml --engine native --budget 300 --workers 4
  scalable tune logistic fraud/ --target is_fraud --space C=log:0.001:100 --trials 9
  scalable tune lightgbm fraud/ --target is_fraud --space space.toml --scheduler tcp://10.0.0.5:8786
"""


def command(
    context: typer.Context,
    learner: Annotated[
        str, typer.Argument(metavar="LEARNER", help="See `scalable train --list`.", autocompletion=learners)
    ],
    data: Annotated[str, typer.Argument(metavar="DATA", help="File, directory or glob of Parquet.")],
    target: Target,
    space: Annotated[str, typer.Option("--space", metavar="SPACE", help="TOML file, or NAME=FORM,...")],
    trials: Annotated[int, typer.Option("--trials", min=1, metavar="N", help="Points to try.")] = 27,
    valid: Annotated[
        str | None,
        typer.Option("--valid", metavar="DATA", help="Held-out Parquet (default: one row in five)."),
    ] = None,
    metric: Annotated[
        str | None, typer.Option("--metric", metavar="NAME", help="What decides (default: the loss).")
    ] = None,
    budget: Annotated[
        int | None,
        typer.Option("--budget", min=1, metavar="N", help="Iterations of boosting at most (default: 100)."),
    ] = None,
    eta: Annotated[int, typer.Option("--eta", metavar="N", min=2, help="One trial in so many goes on.")] = 3,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of the points and of learning.")] = 0,
    task: Annotated[
        str | None,
        typer.Option("--task", metavar="KIND", help="classification or regression (default: by the target)."),
    ] = None,
    features: Features = None,
    exclude: Exclude = None,
    weight: Weight = None,
    partitioning: Partitioning = "hive",
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, metavar="N", help="Processes, each with the rows (default: one)."),
    ] = None,
    client: Annotated[
        str | None,
        typer.Option(
            "--scheduler", "--client", metavar="ADDRESS", help="Dask scheduler, e.g. tcp://10.0.0.5:8786."
        ),
    ] = None,
    model: Annotated[
        Path | None, typer.Option("--model", metavar="OUT", help="Fit the best on all rows, and write it.")
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            "--checkpoint", metavar="FILE", help="Where to remember trials (default: MODEL.search)."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", callback=output_file, help="Also write a page.")
    ] = None,
    overwrite: Overwrite = False,
    resume: Resume = False,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Search parameters."""
    from scalable import ParquetSource, tune
    from scalable.cli.screen.display import live
    from scalable.cli.train.learners import get_learner, parse_options
    from scalable.cli.train.reference import keep_profile
    from scalable.cli.train.task import find_task
    from scalable.cli.train.train import refuse_forgetting, refuse_overwriting
    from scalable.report import render
    from scalable.report.document import new_results
    from scalable.storage.places import place
    from scalable.tuning.journal import refuse_others

    entry, shared = get_learner(learner), parse_options(context.args)
    if model is not None:
        model = place(model)
        refuse_overwriting(model, overwrite)
        checkpoint = checkpoint or Path(f"{model}.search")
    if checkpoint is not None:
        checkpoint = place(checkpoint)
        if not resume:  # which says what is wrong with it
            refuse_others(checkpoint)
        refuse_forgetting(checkpoint, resume, overwrite)
    if resume and checkpoint is None:
        raise typer.BadParameter("--resume needs --checkpoint FILE, or the --model it is named after")
    roles = {"target": target, "weight": weight, "partitioning": parse_partitioning(partitioning)}
    source = ParquetSource(data, features=split_names(features), exclude=split_names(exclude) or (), **roles)
    held = None if valid is None else ParquetSource(valid, features=source.feature_names, **roles)
    kind = task or (next(iter(entry.classes)) if len(entry.classes) == 1 else find_task(source))
    if checkpoint is not None and not resume:
        checkpoint.unlink(missing_ok=True)
    with live(quiet):
        found = tune(
            learner, source, space, n_trials=trials, task=kind, valid=held, metric=metric, budget=budget, eta=eta,
            seed=seed, client=client, n_workers=workers, checkpoint=checkpoint, resume=resume,
            refit=model is not None, **shared,
        )  # fmt: skip
    if model is not None:
        found.estimator.save(model)
        with live(quiet):
            keep_profile(model, source, held, client, None)
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    if not quiet:
        best = found.best
        settings = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in best["params"].items())
        typer.echo(f"{len(found.trials)} trials in {found.seconds:.1f} s; the best: {settings}")
        typer.echo(f"{found.metric} {best['value']:.5g} on held-out rows, at {best['at']:,} {found.unit}")
        for fault in sorted({one["fault"] for one in found.trials if one["fault"]}):
            typer.echo(f"failed: {fault}")
        if model is not None:
            typer.echo(f"{model}: {learner} on all {source.n_rows:,} rows")
    sections = {
        "dataset": {"name": data, "rows": source.n_rows, "files": len(source.paths)},
        "search": found.to_json(),
    }
    results = new_results("tune", sections, seed)
    if out is not None:
        write_page(out, render([results]))
    write_json(json_file, results)
