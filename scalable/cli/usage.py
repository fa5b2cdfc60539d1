"""What `--help` shows of a command's arguments: their names and what they are, no types and no double brackets."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand


class Command(TyperCommand):
    """A command whose usage is ``scalable NAME [OPTIONS] MODEL [DATA]``: what may be left out stands in brackets.

    Releases of Typer since 0.29 write ``{MODEL} [[DATA]]`` and the type of each argument after its name.
    """

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the words after the command's name."""
        pieces = [name if required else f"[{name}]" for name, required in _arguments(self, ctx)]
        return ["[OPTIONS]", *pieces]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments and the options, a line or more each."""
        listed: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        names = [name for name, _ in _arguments(self, ctx)]
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and parameter.param_type_name == "argument":
                listed["Arguments"].append((names[len(listed["Arguments"])], record[1]))
            elif record is not None:
                listed["Options"].append(record)
        for title, rows in listed.items():
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


def _arguments(command: Any, ctx: Any) -> list[tuple[str, bool]]:
    """Return the name of each argument, and whether it must be given."""
    arguments = [each for each in command.get_params(ctx) if each.param_type_name == "argument"]
    return [(each.metavar or each.name.upper(), each.required) for each in arguments]
