"""The tree of commands."""

from __future__ import annotations

import importlib
from typing import Any

import typer

COMMANDS = {  # name: the group its file is in
    "quickstart": "bench",
    "generate": "data",
    "verify": "data",
    "describe": "data",
    "train": "train",
    "evaluate": "train",
    "predict": "train",
    "serve": "serve",
    "load": "serve",
    "latency": "serve",
    "warm": "serve",
    "versus": "bench",
    "report": "bench",
    "compare": "bench",
    "answer": "bench",
}

TEXT = """Train on Parquet larger than memory, serve the models in microseconds, measure both.

\b
Start here:
  scalable quickstart
  scalable train logistic transactions/ --target is_fraud --model fraud.model
  scalable evaluate fraud.model held_out/ --target is_fraud
  scalable COMMAND --help         has examples for every command
"""


def build() -> Any:
    """Return the command group, as Click sees it."""
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

    for name, group in COMMANDS.items():
        module = importlib.import_module(f"scalable.cli.{group}.{name}")
        settings = getattr(module, "SETTINGS", {})
        app.command(name, help=module.HELP, context_settings=settings)(module.command)
    return typer.main.get_command(app)
