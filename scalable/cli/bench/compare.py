"""``scalable compare``: what changed between two results or two models, and whether it is more than noise."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from scalable.cli.options import Debug, Json, Quiet, Weight
from scalable.cli.output import output_file, write_json, write_page, write_sections

HELP = """Compare two results files, or two models on the same labelled rows.

Of models, differences are paired: rows that are hard for one are hard for the other, so a difference
is surer than either score.

\b
Examples:
  scalable compare line.model forest.model held_out/ --target is_fraud
  scalable compare before.json after.json
  scalable compare laptop.json server.json --force
  scalable compare old.model new.model held_out/ --target y --out compared.html
"""


def command(
    before: Annotated[Path, typer.Argument(metavar="A", help="Results written by --json, or a saved model.")],
    after: Annotated[Path, typer.Argument(metavar="B", help="The same of what it is compared with.")],
    data: Annotated[
        str | None, typer.Argument(metavar="DATA", help="With two models: labelled Parquet.")
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", metavar="COL", help="With two models: the label.")
    ] = None,
    weight: Weight = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", callback=output_file, help="With two models: also write a page."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Compare other machines or datasets too.")] = False,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Compare results or models."""
    if data is None:
        if before.is_dir() or after.is_dir():
            raise typer.BadParameter(
                "two models are compared on data: scalable compare A B DATA --target COL"
            )
        _results(before, after, force, json_file, quiet)
        return
    if target is None:
        raise typer.BadParameter("missing --target (examples: scalable compare --help)")
    from scalable.report import render
    from scalable.report.document import new_results
    from scalable.report.terminal import print_differences, print_summary

    results = new_results("compare", _models(before, after, data, target, weight, quiet))
    if not quiet:
        print_summary({**results, "sections": {"quality": results["sections"]["quality"]}})
        print_differences(results["sections"]["differences"], str(before), str(after))
    if out is not None:
        write_page(out, render([results]))
    write_json(json_file, results)


def _results(before: Path, after: Path, force: bool, json_file: Path | None, quiet: bool) -> None:
    from scalable.errors import UsageError
    from scalable.report.compare import compare
    from scalable.report.results import read_results
    from scalable.report.terminal import print_comparison

    a, b = read_results(before), read_results(after)
    changes = compare(a, b, force=force)
    if not changes["rows"]:
        raise UsageError(
            f"compare: {before} ({a['kind']}) and {after} ({b['kind']}) have no number in common; "
            "give two results of the same command"
        )
    if not quiet:
        print_comparison(changes)
    write_sections(json_file, "compare", {"compare": changes})


def _models(a: Path, b: Path, data: str, target: str, weight: str | None, quiet: bool) -> dict[str, Any]:
    from scalable import ParquetSource
    from scalable.cli.screen.display import live
    from scalable.cli.screen.meter import measured
    from scalable.cli.train.bayes import bayes_report
    from scalable.evaluate.paired import restated
    from scalable.execution.threads import Threads
    from scalable.models.predictors import load_model
    from scalable.scoring.compare import compare_models
    from scalable.scoring.evaluate import evaluate_model, quality_row

    models = (load_model(a), load_model(b))
    needed = list(dict.fromkeys([*models[0].needed, *models[1].needed]))
    source = ParquetSource(data, target=target, features=needed, weight=weight)
    with live(quiet), measured("compare", source.n_rows) as stage:
        differences = compare_models(*models, source, Threads())
        rows = [
            quality_row(str(path), evaluate_model(model, source, Threads()), model.classes)
            for path, model in zip((a, b), models, strict=True)
        ]
        best = bayes_report(source, data, Threads())
    return {
        "dataset": {"name": data, "rows": source.n_rows, "files": len(source.paths)},
        "stages": [stage.to_json()],
        "quality": rows if best is None else [*rows, quality_row("Bayes-optimal", best)],
        "differences": [restated(row, *(each.get(row["metric"]) for each in rows)) for row in differences],
    }
