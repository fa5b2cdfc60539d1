"""``scalable calibrate``: intervals and sets that hold, or probabilities that come true, from rows held out."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from scalable.cli.options import ClientAddress, Debug, Json, Overwrite, Quiet, Workers
from scalable.cli.output import output_file, write_page, write_sections

HELP = """Calibrate MODEL on rows of DATA that it was not trained on.

By default conformal: a threshold for intervals (of numbers) or sets (of classes) that hold the truth in 1 - ALPHA of
the rows, of every group with --by; --check tells what became true on other rows. With --method, a curve that corrects
probabilities; --model writes MODEL with its curve as a model that predict, evaluate, serve and all others take.

\b
Examples:
  scalable calibrate forest.model held_out/ --target is_fraud --method isotonic --model calibrated.model
  scalable calibrate price.model held_out/ --target price --alpha 0.1 --out intervals.json
  scalable calibrate price.model held_out/ --target price --by region --check new/
  scalable calibrate low.model held_out/ --target price --upper high.model
"""


def command(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A saved model, or registry:NAME@ALIAS.")],
    data: Annotated[str, typer.Argument(metavar="DATA", help="File, directory or glob of Parquet.")],
    target: Annotated[str, typer.Option("--target", metavar="COL", help="The truth.")],
    alpha: Annotated[
        float, typer.Option("--alpha", metavar="SHARE", help="Rows whose truth may be missed.")
    ] = 0.1,
    by: Annotated[str | None, typer.Option("--by", metavar="COL", help="A threshold for each value.")] = None,
    upper: Annotated[
        Path | None,
        typer.Option("--upper", metavar="MODEL", help="MODEL is the lower quantile, this the upper."),
    ] = None,
    method: Annotated[
        str | None, typer.Option("--method", metavar="NAME", help="Curve: platt, isotonic or temperature.")
    ] = None,
    check: Annotated[
        str | None, typer.Option("--check", metavar="DATA", help="Labelled rows to hold the result against.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", callback=output_file, help="Write what was learned."),
    ] = None,
    calibrated: Annotated[
        Path | None, typer.Option("--model", metavar="OUT", help="With --method: write MODEL with its curve.")
    ] = None,
    overwrite: Overwrite = False,
    workers: Workers = None,
    client: ClientAddress = None,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Calibrate a model."""
    from scalable import ParquetSource
    from scalable.cli.screen.display import live
    from scalable.cli.train.reference import keep_profile
    from scalable.cli.train.train import refuse_overwriting
    from scalable.errors import UsageError
    from scalable.evaluate import Calibrator, Conformal
    from scalable.execution.executors import get_executor
    from scalable.models.predictors import load_model
    from scalable.scoring.calibrated import refuse_others, save_calibrated

    if calibrated is not None:
        if method is None:
            raise UsageError(
                "--model goes with --method: a curve belongs into the model, thresholds into --out"
            )
        refuse_overwriting(calibrated, overwrite)
        refuse_others(model)
    predictor, high = load_model(model), None if upper is None else load_model(upper)
    needed = [*predictor.needed, *([] if high is None else high.needed), *([] if by is None else [by])]
    names = list(dict.fromkeys(needed))  # other columns may be of any type
    source = ParquetSource(data, target=target, features=names)
    if method is not None and (by is not None or upper is not None or check is not None):
        raise UsageError("--by, --upper and --check go with intervals and sets, without --method")
    learned: Any
    section: dict[str, Any]
    with live(quiet), get_executor(client, workers) as executor:
        if method is not None:
            learned = Calibrator.fit(predictor, source, method, executor=executor)
            lines = [
                f"{method}: slope {learned.slope:.6g}, offset {learned.offset:.6g}, {len(learned.given)} corners"
            ]
            section = {"curve": asdict(learned)}
            if calibrated is not None:
                save_calibrated(calibrated, model, learned)
                keep_profile(calibrated, source, source, client, workers)
                lines.append(
                    f"{calibrated}: {model} with this curve; `scalable monitor` compares with the rows here"
                )
        else:
            learned = Conformal.calibrate(
                predictor, source, alpha=alpha, by=by, upper=high, executor=executor
            )
            lines = [
                f"{'all rows' if by is None else f'{by}={group}'}: threshold {q:.6g} from {n:,} rows"
                for group, q, n in learned.groups
            ]
            section = {"thresholds": [{"group": g, "threshold": q, "rows": n} for g, q, n in learned.groups]}
            if check is not None:
                held = ParquetSource(check, target=target, features=names)
                covered = learned.measure(predictor, held, upper=high, by=by, executor=executor)
                lines += [
                    f"{'checked' if by is None else f'checked {by}={group}'}: {c.rate:.4%} of {c.rows:,} rows held, "
                    f"size {c.size:.6g}"
                    for group, c in covered.items()
                ]
                section["coverage"] = [{"group": g, "rate": c.rate, **asdict(c)} for g, c in covered.items()]
    if out is not None:
        write_page(out, learned.to_json())
    if not quiet:
        typer.echo("\n".join(lines))
    write_sections(json_file, "calibration", section)
