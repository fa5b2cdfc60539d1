"""``scalable warm``: compile the kernels ahead of their first use."""

from __future__ import annotations

from typing import Annotated

import typer

from scalable.cli.options import Debug, Json, Quiet
from scalable.cli.output import write_sections

HELP = """Compile what most jobs use, in several processes, so that the first of them need not wait.

For install steps and images. Kernels are kept below SCALABLE_CACHE_DIR (by default ~/.cache/scalable-training);
the folder serves every machine with the same type of processor, Python packages and version of this one.

\b
Examples:
  scalable warm
  SCALABLE_CACHE_DIR=/opt/kernels scalable warm --workers 4
  scalable warm --json warm.json
"""


def command(
    workers: Annotated[
        int | None, typer.Option("--workers", metavar="N", min=1, help="Processes (default: processors).")
    ] = None,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Compile ahead."""
    from scalable.cli.screen.display import live
    from scalable.cli.serve.warm_jobs import warm
    from scalable.kernels.jit import cache_root
    from scalable.storage.files import total_size

    with live(quiet):
        seconds = warm(workers)
    place = cache_root()
    size = total_size([path for path in place.rglob("*") if path.is_file()])
    write_sections(json_file, "warm", {"warm": {"directory": place, "bytes": size, "seconds": seconds}})
    if not quiet:
        typer.echo(
            f"{place}: {size / 1e6:.0f} MB of kernels, made or found in {sum(seconds.values()):.1f} s of work"
        )
