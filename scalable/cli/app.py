"""The tree of commands."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from typing import Any

import typer

from scalable.cli.usage import Command

COMMANDS = {  # name: the folder of its file, which the last word names; or folder and file
    "quickstart": "bench",
    "generate": "data",
    "verify": "data",
    "describe": "data",
    "train": "train",
    "tune": "train",
    "evaluate": "train",
    "predict": "train",
    "calibrate": "train",
    "leaks": "train",
    "effect": "train",
    "features list": "features",
    "features join": "features",
    "features check": "features",
    "features materialize": "features",
    "features push": "features",
    "features lookup": "features",
    "models list": "models.list_versions",
    "models show": "models",
    "models compare": "models.compare_versions",
    "models add": "models",
    "models promote": "models",
    "models rollback": "models",
    "models prune": "models",
    "monitor": "watch",
    "serve": "serve",
    "load": "serve",
    "latency": "serve",
    "explain": "serve",
    "card": "serve",
    "warm": "serve",
    "versus": "bench",
    "report": "bench",
    "compare": "bench",
    "answer": "bench",
}

GROUPS = {
    "models": "Versions of models in a registry of files: record, compare, promote, roll back.",
    "features": "Features with time: join them as they were known then, look them up as they are known now.",
}

TEXT = """Train on Parquet larger than memory, serve the models in microseconds, measure both.

\b
Start here:
  scalable quickstart
  scalable generate fraud --rows 1M --out fraud/
  scalable train logistic fraud/ --target is_fraud --model line.model
  scalable COMMAND --help         has examples for every command
"""


def build(words: Sequence[str] = ()) -> Any:
    """Return the command group, as Click sees it.

    Parameters
    ----------
    words : sequence of str
        Of the command line: where the first one names a command or a group, only that is loaded and built.
    """
    app = typer.Typer(
        help=TEXT,
        no_args_is_help=True,
        add_completion=True,
        rich_markup_mode=None,  # rich's help renderer alone would cost a quarter of a second
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )

    @app.callback(invoke_without_command=True)
    def root(
        version: bool = typer.Option(False, "--version", "-V", help="Print the version and exit."),
    ) -> None:
        if version:
            from scalable import __version__

            typer.echo(f"scalable {__version__}")
            raise typer.Exit

    groups = {
        name: typer.Typer(help=text, short_help=_short(text), no_args_is_help=True, rich_markup_mode=None)
        for name, text in GROUPS.items()
    }
    asked = {name: folder for name, folder in COMMANDS.items() if name.split()[0] in words[:1]}
    for name, folder in (asked or COMMANDS).items():
        group, _, own = name.rpartition(" ")
        place = folder if "." in folder else f"{folder}.{own}"
        module = importlib.import_module(f"scalable.cli.{place}")
        settings = getattr(module, "SETTINGS", {})
        to = groups[group] if group else app
        to.command(
            own, cls=Command, help=module.HELP, short_help=_short(module.HELP), context_settings=settings
        )(module.command)
    for name, sub in groups.items():
        if sub.registered_commands:
            app.add_typer(sub, name=name)
    return typer.main.get_command(app)


def _short(text: str) -> str:
    """Return what a list of commands says of one: its first sentence up to a colon, without what is in brackets."""
    first = " ".join(text.split("\n\n", maxsplit=1)[0].split())
    return re.split(r"[:;] |\.$", re.sub(r" \([^)]*\)", "", first))[0]
