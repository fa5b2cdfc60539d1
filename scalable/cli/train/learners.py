"""The learners `scalable train` knows, and how their options are read from the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from scalable.cli.train.learner_options import describe_options, flag
from scalable.cli.train.written import Written, written
from scalable.models.learners import LEARNERS, Learner
from scalable.models.parameters import nearest, value_of, wrong_kind


def build(learner: Learner, task: str, options: dict[str, Any], own: Sequence[str] = ()) -> Any:
    """Return an estimator for a task; `own` are the options of the command, which may have been meant.

    Raises
    ------
    typer.BadParameter
        When the task does not suit the learner, an option is unknown (with the nearest name), or its value is off.
    """
    if task not in learner.classes:
        raise typer.BadParameter(
            f"{task} is not what this learner does ({' or '.join(learner.classes)}); see `scalable train --list`"
        )
    cls = learner.estimator(task)
    known = {*cls.parameter_names(), *learner.fit_names}
    declared = cls.declared_kinds()
    for option, value in options.items():
        if option not in known:
            hint = nearest(
                flag(option)[2:],
                {each[2:] for each in (*map(flag, known), *own) if each.startswith("--")},
                "--{}",
            )
            raise typer.BadParameter(f"unknown option {flag(option)} for this learner; {hint}")
        if wanted := wrong_kind(declared.get(option, ""), value):
            raise typer.BadParameter(f"{flag(option)} takes {wanted}, not {value!r}")
    return cls(**options)


def source_of(learner: Learner, task: str) -> Written:
    """Return the class of a task as its source says."""
    found = written(learner.module, learner.classes[task])
    assert found is not None, learner
    return found


def options_of(learner: Learner, width: int = 100) -> str:
    """Return a listing of the options, of the classifier where there are two classes."""
    cls = source_of(learner, next(iter(learner.classes)))
    return describe_options(cls, learner.fit_names, learner.open_ended, width)


def get_learner(name: str) -> Learner:
    """Return a learner by its name on the command line."""
    if name not in LEARNERS and (Path(name).exists() or not name.replace("-", "_").isidentifier()):
        raise typer.BadParameter(f"{name!r} is no learner; before the data goes one of {', '.join(LEARNERS)}")
    if name not in LEARNERS:
        raise typer.BadParameter(f"unknown learner {name!r}; {nearest(name, LEARNERS, '{}')}")
    return LEARNERS[name]


def literal(pair: str) -> tuple[str, Any]:
    """Return the name and the value of ``name=value``; numbers, booleans and None are read as such."""
    name, equals, text = pair.partition("=")
    if not equals or not name:
        raise typer.BadParameter(f"{pair!r} is not NAME=VALUE")
    return name.strip().replace("-", "_"), value_of(text.strip())


def parse_options(arguments: Sequence[str]) -> dict[str, Any]:
    """Read ``--num-leaves 63 --learning-rate=0.05 --verbose`` as keyword arguments."""
    options: dict[str, Any] = {}
    pending: str | None = None
    for argument in arguments:
        if argument.startswith("--"):
            if pending is not None:
                options[pending] = True
            name, equals, text = argument[2:].partition("=")
            pending = name.replace("-", "_")
            if equals:
                options[pending] = value_of(text)
                pending = None
        elif pending is not None:
            options[pending] = value_of(argument)
            pending = None
        else:
            raise typer.BadParameter(f"unexpected argument {argument!r}; options look like --num-leaves 63")
    if pending is not None:
        options[pending] = True
    return options
