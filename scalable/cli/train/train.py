"""``scalable train``: fit a learner on Parquet of any size and save the model."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from scalable.cli.models.registry_options import RegistryDir
from scalable.cli.names import aligned, learners, mistyped
from scalable.cli.options import (
    ClientAddress,
    Debug,
    Exclude,
    Features,
    Group,
    Json,
    Overwrite,
    Partitioning,
    Quiet,
    Resume,
    Weight,
    parse_partitioning,
    split_names,
)
from scalable.cli.output import write_sections

# its own --help: `scalable train LEARNER --help` lists what the learner can be told
SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}

HELP = """Train LEARNER on DATA (a file, a directory or a glob of Parquet) and save the model.

Options that are not listed below go to the learner; `scalable train LEARNER --help` lists them.

\b
Examples:
  scalable train --list
  scalable train logistic --help
  scalable train logistic fraud/ --target is_fraud --model line.model
  scalable train linear housing/ --target price --model price.model --alpha 0.1
  scalable train pca sensors/ --model components.model --n-components 8
  scalable train lightgbm fraud/ --target is_fraud --model forest.model --workers 2 --n-estimators 300
  scalable train lightgbm fraud/ --target is_fraud --model m --valid held_out/ --early-stopping 20
  scalable train lightgbm fraud/ --target is_fraud --model m --valid held_out/ --register fraud
  scalable train lightgbm results/ --target relevance --group query --model m --valid held_out/ --objective lambdarank
  scalable train lightgbm 'data/2026-*.parquet' --target y --model m --client tcp://10.0.0.5:8786
"""


def command(
    context: typer.Context,
    learner: Annotated[
        str | None, typer.Argument(metavar="LEARNER", help="Name; see --list.", autocompletion=learners)
    ] = None,
    data: Annotated[
        str | None, typer.Argument(metavar="DATA", help="File, directory or glob of Parquet.")
    ] = None,
    target: Annotated[str | None, typer.Option("--target", metavar="COL", help="Column to predict.")] = None,
    model: Annotated[Path | None, typer.Option("--model", metavar="OUT", help="Model to write.")] = None,
    features: Features = None,
    exclude: Exclude = None,
    weight: Weight = None,
    group: Group = None,
    task: Annotated[
        str | None,
        typer.Option(
            "--task", metavar="KIND", help="classification, regression or ranking (default: by the target)."
        ),
    ] = None,
    partitioning: Partitioning = "hive",
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=1,
            metavar="N",
            help="Threads (default: processors); for lightgbm local processes.",
        ),
    ] = None,
    client: ClientAddress = None,
    valid: Annotated[
        str | None, typer.Option("--valid", metavar="DATA", help="Held-out Parquet to score the model on.")
    ] = None,
    register: Annotated[
        str | None,
        typer.Option("--register", metavar="NAME", help="Also record it as the next version of NAME."),
    ] = None,
    registry: RegistryDir = None,
    profile: Annotated[
        bool,
        typer.Option("--profile/--no-profile", help="Keep a reference for `scalable monitor` in the model."),
    ] = True,
    overwrite: Overwrite = False,
    resume: Resume = False,
    list_all: Annotated[bool, typer.Option("--list", help="List the learners.")] = False,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
    help_wanted: Annotated[
        bool, typer.Option("--help", "-h", help="Show this message, and a learner's options after its name.")
    ] = False,
) -> None:
    """Train a model."""
    from scalable.cli.train.learners import build, get_learner, parse_options
    from scalable.models.learners import LEARNERS

    if help_wanted:
        show_help(context, learner)
        return
    if list_all:
        typer.echo(aligned((name, each.summary) for name, each in LEARNERS.items()))
        return
    entry = None if learner is None else get_learner(learner)
    wanted = {"LEARNER": learner, "DATA": data, "--model": model}
    if entry is None or entry.supervised:
        wanted["--target"] = target
    missing = [name for name, value in wanted.items() if value is None]
    if missing or entry is None or learner is None or data is None or model is None:
        fault = mistyped(context.args, missing)
        raise typer.BadParameter(fault or f"missing {', '.join(missing)} (examples: scalable train --help)")
    if target is not None and not entry.supervised:
        raise typer.BadParameter(
            f"{learner} learns without a target; leave --target out, or --features says what it sees"
        )
    options = parse_options(context.args)
    if "checkpoint" in options:  # it was ignored: the command has one of its own
        raise typer.BadParameter(
            f"--checkpoint: what an interrupted run finished is kept in {model}.checkpoint; --resume goes on from it"
        )

    from scalable import ParquetSource
    from scalable.cli.screen.display import live
    from scalable.cli.screen.meter import measured
    from scalable.cli.train.ahead import compiled_beside, fit_few
    from scalable.cli.train.first_score import in_words, score
    from scalable.cli.train.reference import keep_profile
    from scalable.cli.train.task import find_task, ranking
    from scalable.models.checkpoint import refuse_others, remove_checkpoint
    from scalable.registry.names import check_name
    from scalable.storage.places import place

    model, checkpoint = place(model), place(f"{model}.checkpoint")
    refuse_overwriting(model, overwrite)
    refuse_others(checkpoint)
    refuse_forgetting(checkpoint, resume, overwrite)
    if register is not None:
        check_name(register)
    paths = parse_partitioning(partitioning)
    columns_of = {"target": target, "weight": weight, "group": group, "partitioning": paths}
    source = ParquetSource(
        data, features=split_names(features), exclude=split_names(exclude) or (), **columns_of
    )
    if learner == "logistic" and target is not None and client is None:
        named = source.feature_names if features or exclude else ()
        context.with_resource(compiled_beside(fit_few, data, target, *named))
    kind = task or ranking(entry, group, options)
    kind = kind or (next(iter(entry.classes)) if len(entry.classes) == 1 else find_task(source))
    if client is not None:
        options["client"] = client
    if workers is not None:
        options["n_workers"] = workers
    fit_options = {name: options.pop(name) for name in entry.fit_names if name in options}
    estimator = build(
        entry, kind, options, own=[name for each in context.command.params for name in each.opts]
    )
    if resume and not checkpoint.exists() and not quiet:
        typer.echo(f"{checkpoint}: nothing to resume, starting from the beginning")
    kept = {"checkpoint": str(checkpoint), "resume": resume and checkpoint.exists()}
    if entry.fit_names:
        fit_options |= kept
    elif "checkpoint" in estimator.get_params():
        estimator.set_params(**kept)
    held_out = None
    if valid is not None:
        held_out = ParquetSource(valid, features=source.feature_names, **columns_of)
        if "valid" in entry.fit_names:
            fit_options["valid"] = held_out
    if not resume:
        remove_checkpoint(checkpoint)
    with live(quiet), measured(f"train {learner}", source.n_rows) as stage:
        estimator.fit(source, **fit_options)
    estimator.save(model)
    remove_checkpoint(checkpoint)
    report = None
    if profile:
        with live(quiet):
            report = keep_profile(model, source, held_out, client, workers, measured=target is not None)
    columns = estimator.describe_columns()
    quality = None
    if target is not None:
        with live(quiet):
            quality = score(model, held_out or source, held_out is not None, report)
    if not quiet:
        for line in columns:
            typer.echo(f"  {line}")
        grown = f" (engine {engine})" if (engine := getattr(estimator, "engine_", "")) else ""
        typer.echo(
            f"{model}: {learner}{grown} on {source.n_rows:,} rows x {len(source.feature_names)} columns "
            f"{stage.in_words(source.n_rows)}"
        )
        if quality is not None and target is not None:
            typer.echo(in_words(quality, model, target))
    sections = {
        "dataset": {"name": data, "rows": source.n_rows, "files": len(source.paths)},
        "stages": [stage.to_json()],
        "model": {
            "path": model,
            "learner": learner,
            "task": kind,
            "options": options,
            "columns": columns,
        },
    }
    if quality is not None:
        sections["quality"] = [quality]
    if register is not None:
        from scalable.cli.models.record import metrics_of, record

        known = {
            "parameters": {"learner": learner, "task": kind, **options},
            "metrics": metrics_of(quality or {}),
        }
        number = record(registry, register, model, data=source.fingerprint(), **known)
        sections["registry"] = {"name": register, "version": number}
        if not quiet:
            typer.echo(f"{register} {number} is {model}")
    write_sections(json_file, "train", sections)


def show_help(context: typer.Context, learner: str | None) -> None:
    """Print the help of the command; after a learner's name, its options too."""
    from scalable.cli.train.learners import get_learner, options_of

    typer.echo(context.get_help())
    if learner is not None:
        entry = get_learner(learner)
        width = min(shutil.get_terminal_size().columns, 120)
        typer.echo(f"\nOptions of {learner} ({entry.summary}), [defaults] in brackets:")
        typer.echo(options_of(entry, width))


def refuse_overwriting(model: Path, overwrite: bool) -> None:
    """Refuse where a model could not be saved, or one would be replaced without having been asked for."""
    from scalable.errors import ModelError, UsageError
    from scalable.models.store import model_place
    from scalable.storage.replace import check_writable, explained

    target = model_place(model)
    if target.exists() and not overwrite:
        raise UsageError(f"{target}: there is a model already; choose another name, or add --overwrite")
    with explained(ModelError, target, "choose another --model"):
        check_writable(target)


def refuse_forgetting(checkpoint: Path, resume: bool, overwrite: bool) -> None:
    """Raise a UsageError where what an interrupted run finished would be written over without having been asked for."""
    from scalable.errors import UsageError

    if not (resume or overwrite) and checkpoint.exists():
        raise UsageError(
            f"{checkpoint}: holds what an interrupted run finished; go on with --resume, or start over with --overwrite"
        )
