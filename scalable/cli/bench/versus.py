"""``scalable versus``: side by side with what people would use instead."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scalable.cli.options import Debug, Exclude, Features, Json, Quiet, Resume, parse_count, split_names
from scalable.cli.output import write_json
from scalable.errors import UsageError

HELP = """Run this project and its peers on the same rows, interleaved, quality next to speed.

On your own DATA (a target of two values), or on a generated dataset. All have the same
rows and hold the same fifth of them out.

Peers come with `pip install 'scalable-training[peers]'`; an absent one is listed with the reason.

\b
Examples:
  scalable versus --profile quick
  scalable versus fraud/ --target is_fraud --jobs linear,boosting,inference
  scalable versus --profile standard --out versus/ --resume
  scalable versus --profile standard --jobs linear,generation --rounds 2
  scalable versus --profile standard --minutes 45 --limit 300
"""

PROFILES = ("quick", "standard", "full")


def command(
    data: Annotated[
        str | None, typer.Argument(metavar="DATA", help="Parquet of yours.", show_default=False)
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", metavar="COL", help="Column of two values to predict.")
    ] = None,
    features: Features = None,
    exclude: Exclude = None,
    rows: Annotated[
        int,
        typer.Option("--rows", parser=parse_count, metavar="N", help="Rows of DATA at most, spread over it."),
    ] = 1_000_000,
    profile: Annotated[
        str, typer.Option("--profile", metavar="NAME", help="quick, standard or full.")
    ] = "quick",
    jobs: Annotated[
        str | None, typer.Option("--jobs", metavar="A,B", help="linear, boosting, inference, generation.")
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option(
            "--rounds", metavar="N", min=1, help="Runs of each contender; by default the profile's."
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            "--minutes", metavar="M", min=0.1, help="End by then; who has had no turn is listed as not run."
        ),
    ] = None,
    limit: Annotated[
        float | None,
        typer.Option("--limit", min=1, metavar="SECONDS", help="A run that takes longer is a failure."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Results and report.")] = Path("versus"),
    resume: Resume = False,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Compare with peers."""
    if profile not in PROFILES:
        raise UsageError(f"unknown profile {profile!r}; choose from {', '.join(PROFILES)}")
    if (data is None) != (target is None):
        raise UsageError("DATA and --target go together: give both, or none for a generated dataset")
    from bench.peers.run import run_versus
    from scalable.cli.screen.display import live
    from scalable.report.terminal import print_summary

    with live(quiet):
        results = run_versus(
            profile, split_names(jobs), out, resume=resume, rounds=rounds, limit=limit,
            within=None if minutes is None else 60 * minutes, data=data, target=target,
            features=split_names(features), exclude=split_names(exclude) or (), rows=rows,
        )  # fmt: skip
    if not quiet:
        print_summary(results)
    write_json(json_file, results)
