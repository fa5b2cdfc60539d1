"""``scalable versus``: side by side with what people would use instead."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scalable.cli.options import Debug, Json, Quiet, Resume
from scalable.cli.output import write_json
from scalable.errors import UsageError

HELP = """Run this project and its peers on the same rows, interleaved, quality next to speed.

Peers come with `pip install 'scalable-training[peers]'`; an absent one is listed with the reason.

\b
Examples:
  scalable versus --profile quick
  scalable versus --profile standard --out versus/ --resume
  scalable versus --profile standard --jobs linear,generation --rounds 2
  scalable versus --profile standard --minutes 45 --limit 300
"""

PROFILES = ("quick", "standard", "full")


def command(
    profile: Annotated[str, typer.Option("--profile", help="quick, standard or full.")] = "quick",
    jobs: Annotated[
        str | None, typer.Option("--jobs", metavar="A,B", help="linear, boosting, inference, generation.")
    ] = None,
    rounds: Annotated[
        int | None, typer.Option("--rounds", min=1, help="Runs of each contender; by default the profile's.")
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option("--minutes", min=0.1, help="End by then; who has had no turn is listed as not run."),
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
    from bench.peers.run import run_versus
    from scalable.cli.options import split_names
    from scalable.cli.screen.display import live
    from scalable.report.terminal import print_summary

    with live(quiet):
        results = run_versus(
            profile, split_names(jobs), out, resume=resume, rounds=rounds, limit=limit,
            within=None if minutes is None else 60 * minutes,
        )  # fmt: skip
    if not quiet:
        print_summary(results)
    write_json(json_file, results)
