"""Options that every command shares, and how their values are read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from scalable.cli.output import output_file

_FACTORS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9, "t": 10**12}


def parse_count(text: str | int) -> int:
    """Return a row count written as ``5000000``, ``5_000_000``, ``5M``, ``1e9`` or ``2.5k``.

    Raises
    ------
    typer.BadParameter
        When it is not a whole, positive number.
    """
    if isinstance(text, int):
        return text
    match = re.fullmatch(r"([0-9][0-9_,]*\.?[0-9]*(?:e\+?[0-9]+)?)([kmgbt]?)", text.strip().lower())
    if match:
        value = float(match[1].replace("_", "").replace(",", "")) * _FACTORS[match[2]]
        if re.fullmatch(r"[0-9_,]+", match[1]):  # exact beyond 2^53
            value_exact = int(match[1].replace("_", "").replace(",", "")) * _FACTORS[match[2]]
            value = value_exact
        if value == int(value) and value >= 1:
            return int(value)
    raise typer.BadParameter(f"{text!r} is not a positive whole number of rows, such as 1000000, 1e9 or 10M")


def parse_part(text: str | None) -> tuple[int, int] | None:
    """Return ``(i, n)`` for a part written as ``i/n`` with ``0 <= i < n``."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match and int(match[1]) < int(match[2]):
        return int(match[1]), int(match[2])
    raise typer.BadParameter(f"{text!r} is not a part i/n with 0 <= i < n, such as 0/4")


Rows = Annotated[int, typer.Option(parser=parse_count, metavar="N", help="Rows: 5000000, 5M, 1e9.")]
Target = Annotated[str, typer.Option("--target", metavar="COL", help="Column to predict.")]
Json = Annotated[
    Path | None,
    typer.Option(
        "--json",
        metavar="FILE",
        callback=output_file,
        help="Write the results as JSON; - is standard output.",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of a failure.")]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, metavar="N", help="Threads (default: processors)."),
]
ClientAddress = Annotated[
    str | None, typer.Option("--client", metavar="ADDRESS", help="Dask scheduler, e.g. tcp://10.0.0.5:8786.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where an interrupted run stopped.")]
Features = Annotated[
    str | None, typer.Option("--features", metavar="A,B,...", help="Feature columns (default: all others).")
]
Exclude = Annotated[
    str | None,
    typer.Option(
        "--exclude", metavar="A,B,...", help="Leave these columns out, where --features is not given."
    ),
]
Weight = Annotated[str | None, typer.Option("--weight", metavar="COL", help="Column of sample weights.")]
Group = Annotated[
    str | None,
    typer.Option("--group", metavar="COL", help="Column of queries, whose rows are put in order (ranking)."),
]


Partitioning = Annotated[
    str,
    typer.Option(
        "--partitioning",
        metavar="HOW",
        help="Columns from paths such as year=2026/: hive, none, or types as in year=int32,zip=string.",
    ),
]


def parse_partitioning(text: str) -> Any:
    """Return what `ParquetSource` takes as ``partitioning``."""
    if text in ("hive", "none"):
        return None if text == "none" else text
    types = dict(part.strip().partition("=")[::2] for part in text.split(","))
    if not all(name and kind for name, kind in types.items()):
        raise typer.BadParameter(
            f"--partitioning {text!r} is not hive, none, or types such as year=int32,zip=string"
        )
    return types


def split_names(text: str | None) -> list[str] | None:
    """Return the names in a comma-separated list, or None."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]
