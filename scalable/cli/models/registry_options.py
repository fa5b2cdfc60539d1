"""Arguments and options that the commands of the registry share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

RegistryDir = Annotated[
    Path | None,
    typer.Option(
        "--registry", metavar="DIR", help="The registry (default: $SCALABLE_REGISTRY, or registry)."
    ),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The model's name.")]
Version = Annotated[str, typer.Argument(metavar="VERSION", help="A number, an alias, or latest.")]
Alias = Annotated[str, typer.Option("--alias", metavar="ALIAS", help="The alias.")]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where", metavar="CONDITION", help="Only versions with, such as 'auc>.8'; again for more."
    ),
]
Tags = Annotated[
    list[str] | None,
    typer.Option("--tag", metavar="NAME[=VALUE]", help="Only versions so tagged; again for more."),
]


def pairs(option: str, texts: Sequence[str] | None) -> dict[str, str]:
    """Return what ``NAME=VALUE`` options say.

    Raises
    ------
    typer.BadParameter
        One is none, or two have one name.
    """
    found = {}
    for text in texts or ():
        name, sign, value = text.partition("=")
        if not name or not sign:
            raise typer.BadParameter(f"{option} {text!r} is not NAME=VALUE")
        if name in found:
            raise typer.BadParameter(f"{option} gives {name!r} twice; give it once")
        found[name] = value
    return found


def shown(value: float | int | str | None) -> str:
    """Return a value as a table shows it."""
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else str(value)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of texts, the first of them headings, as lines of aligned columns."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return "\n".join(
        "  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows
    )
