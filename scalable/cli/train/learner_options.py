"""What a learner can be told: its parameters with their defaults and meaning, for ``scalable train LEARNER --help``."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import Any

from scalable.cli.train.written import Parameter, Written

FIT_OPTIONS = {  # with their defaults
    "early_stopping": ("0", "Trees without improvement on --valid after which training stops; 0 for never"),
    "checkpoint_every": ("10", "Trees between checkpoints"),
    "on_loss": ("raise", "When a worker is lost: raise an error, replace it, or shrink to those left"),
}
ELSEWHERE = {"client", "n_workers", "checkpoint", "resume"}  # options of the command


def flag(name: str) -> str:
    """Return a parameter's name as it is written on the command line."""
    return "--" + name.replace("_", "-")


def parameters(cls: Written) -> dict[str, Parameter]:
    """Return the named parameters of an estimator, without those that are options of the command."""
    return {name: parameter for name, parameter in cls.parameters.items() if name not in ELSEWHERE}


def meanings(cls: Written) -> dict[str, str]:
    """Return the first sentence on each parameter in the docstrings of a class, its bases and its neighbours."""
    found: dict[str, str] = {}
    for one in cls.family():
        for name, text in _documented(one.docstring):
            found.setdefault(name, text)
    return found


def _documented(docstring: str) -> Iterator[tuple[str, str]]:
    section = re.search(r"^Parameters\n-+\n(.*?)(?=^\w+\n-+\n|\Z)", docstring, re.MULTILINE | re.DOTALL)
    for entry in re.finditer(
        r"^([\w, *]+?)(?: : ([^\n]*))?\n((?:[ ]{4}[^\n]*\n?|\n)+)",
        section[1] if section else "",
        re.MULTILINE,
    ):
        text = " ".join(entry[3].split()).replace("``", "").replace("`", "")
        if text.startswith("As for"):
            continue
        choices = re.search(r"\{.*\}", entry[2] or "")
        sentence = re.split(r"(?<=\.)\s", text)[0].rstrip(".")
        for name in entry[1].split(","):
            yield (
                name.strip().lstrip("*"),
                sentence + (f": {choices[0][1:-1]}" if choices else "").replace('"', ""),
            )


def describe_options(cls: Written, fit_names: tuple[str, ...], open_ended: str, width: int = 100) -> str:
    """Return a listing of a learner's options: one a line, with its default and its meaning.

    Parameters
    ----------
    cls : Written
        The estimator.
    fit_names : tuple of str
        Options that are arguments of ``fit``.
    open_ended : str
        What to say of options beyond these; empty where there are none.
    width : int
        Columns of the terminal.
    """
    known = meanings(cls)
    rows = [
        (f"{flag(name)} {_default(parameter.default)}", known.get(name, ""))
        for name, parameter in parameters(cls).items()
    ]
    of_fit = {name: FIT_OPTIONS[name] for name in fit_names if name != "valid"}
    rows += [(f"{flag(name)} {_default(default)}", text) for name, (default, text) in of_fit.items()]
    edge = min(max(len(left) for left, _ in rows), 34) + 2
    lines = []
    for left, text in rows:
        wrapped = textwrap.wrap(text, max(width - edge - 4, 30)) or [""]
        head = f"  {left:<{edge}}"
        lines += [head + wrapped[0]] if len(left) < edge else [head.rstrip(), " " * (edge + 2) + wrapped[0]]
        lines += [" " * (edge + 2) + more for more in wrapped[1:]]
    if open_ended:
        lines += textwrap.wrap(open_ended, width - 2, initial_indent="  ", subsequent_indent="  ")
    return "\n".join(line.rstrip() for line in lines)


def _default(value: Any) -> str:
    return f"[{str(value).lower()}]"
