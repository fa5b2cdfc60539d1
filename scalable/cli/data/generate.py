"""``scalable generate``: write a synthetic dataset whose best achievable score is known."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from scalable.cli.names import datasets
from scalable.cli.options import (
    ClientAddress,
    Debug,
    Json,
    Quiet,
    Resume,
    parse_count,
    parse_part,
)
from scalable.cli.output import write_sections

HELP = """Write a synthetic Parquet dataset whose Bayes-optimal score is known.

\b
Examples:
  scalable generate --list
  scalable generate fraud --rows 10M --out fraud/
  scalable generate fraud --rows 1e9 --out fraud/ --resume
  scalable generate fraud --rows 10M --out fraud/ --set prevalence=0.01 --set drift=sudden
  scalable generate physics --rows 1e8 --out physics/ --shards-of 0/4
"""


def command(
    dataset: Annotated[
        str | None, typer.Argument(metavar="DATASET", help="Name; see --list.", autocompletion=datasets)
    ] = None,
    rows: Annotated[
        int | None, typer.Option("--rows", parser=parse_count, metavar="N", help="Rows: 5000000, 5M, 1e9.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Directory or s3:// prefix to write.")
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", help="Any integer; the same seed gives the same bytes.")
    ] = 0,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, metavar="N", help="Files written at once (default: processors)."),
    ] = None,
    client: ClientAddress = None,
    shards_of: Annotated[
        str | None, typer.Option("--shards-of", metavar="i/n", help="Write part i of n only.")
    ] = None,
    resume: Resume = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing dataset.")] = False,
    compression: Annotated[
        str | None,
        typer.Option("--compression", metavar="CODEC", help="none (the default), lz4, snappy or zstd."),
    ] = None,
    knobs: Annotated[
        list[str] | None, typer.Option("--set", metavar="KNOB=VALUE", help="A knob of the dataset.")
    ] = None,
    list_all: Annotated[bool, typer.Option("--list", help="Describe all datasets and their knobs.")] = False,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Generate a dataset."""
    # read when Arrow is first imported; its own pool keeps freed pages, so the peak crept up with the run
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    import data_gen
    from scalable import progress
    from scalable.cli.screen.display import live
    from scalable.cli.screen.line import human, megabytes
    from scalable.cli.screen.meter import measured
    from scalable.cli.train.bayes import expected_scores
    from scalable.cli.train.learners import literal
    from scalable.storage.files import store_of, total_size
    from scalable.storage.places import place

    if list_all:
        from scalable.cli.data.tables import show_datasets

        show_datasets(data_gen.datasets())
        return
    if dataset is None or rows is None or out is None:
        raise typer.BadParameter("DATASET, --rows and --out are needed (or --list)")
    there = place(out)
    settings: dict[str, Any] = dict(literal(pair) for pair in knobs or [])
    if compression is not None:
        settings["compression"] = compression
    if workers is not None:
        settings["workers"] = workers
    with live(quiet), measured("generate", rows) as stage, progress.task(f"generate {dataset}", rows) as task:
        manifest = data_gen.generate(
            dataset,
            rows=rows,
            out=there,
            seed=seed,
            client=client,
            shards_of=parse_part(shards_of),
            resume=resume,
            overwrite=overwrite,
            progress=task.reach,
            **settings,
        )
    size = total_size(store_of(there).list_files(there, ".parquet"))
    truth = manifest.truth
    best = expected_scores(manifest)
    if not quiet:
        typer.echo(
            f"{there}: {rows:,} rows of {dataset}, {megabytes(size)} ({size / rows:.1f} B/row), "
            f"{stage.seconds:.1f} s, {human(rows / stage.seconds)} rows/s"
        )
        if best:
            facts = (f"{name.replace('_', ' ')} {value:.5g}" for name, value in best.items())
            typer.echo(
                f"Bayes-optimal, as expected of such rows: {', '.join(facts)}; of held-out ones see evaluate"
            )
    sections = {
        "dataset": {"name": dataset, "rows": rows, "bytes": size, "truth": truth},
        "stages": [stage.to_json()],
    }
    write_sections(json_file, "generate", sections, seed)
