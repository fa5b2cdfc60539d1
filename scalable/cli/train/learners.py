"""The learners `scalable train` knows, and how their options are read from the command line."""

from __future__ import annotations

import ast
import difflib
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import typer

from scalable.cli.train.learner_options import describe_options, flag, wrong_value
from scalable.models.parameters import nearest


@dataclass(frozen=True, slots=True)
class Learner:
    """One name on the command line.

    Attributes
    ----------
    module, classes : str, dict
        Where its estimators are; `classes` maps a task ("classification", "regression") to a class.
    summary : str
        One line for ``--list``.
    fit_names : tuple of str
        Options that are arguments of ``fit`` and not of the estimator.
    open_ended : str
        What its help says of options beyond those listed; nothing where there are none.
    """

    module: str
    classes: dict[str, str]
    summary: str
    fit_names: tuple[str, ...] = ()
    open_ended: str = ""

    def fit_options(self, options: dict[str, Any]) -> dict[str, Any]:
        """Take the options that belong to ``fit`` out of `options` and return them."""
        return {name: options.pop(name) for name in self.fit_names if name in options}

    def load(self, task: str) -> type:
        """Return the class of the estimator for a task; raises `typer.BadParameter` when there is none."""
        name = self.classes.get(task)
        if name is None:
            raise typer.BadParameter(
                f"{task} is not what this learner does ({' or '.join(self.classes)}); see `scalable train --list`"
            )
        found: type = getattr(importlib.import_module(self.module), name)
        return found

    def build(self, task: str, options: dict[str, Any]) -> Any:
        """Return an estimator for a task.

        Raises
        ------
        typer.BadParameter
            When the task does not suit the learner or an option is unknown (with the nearest name).
        """
        cls: Any = self.load(task)
        known = {*cls.parameter_names(), *self.fit_names}
        for option in options:
            if option not in known:
                hint = nearest(option.replace("_", "-"), (name.replace("_", "-") for name in known), "--{}")
                raise typer.BadParameter(
                    f"unknown option --{option.replace('_', '-')} for this learner; {hint}"
                )
        for option, value in options.items():
            wanted = wrong_value(cls, option, value)
            if wanted:
                raise typer.BadParameter(f"{flag(option)} takes {wanted}, not {value!r}")
        return cls(**options)

    def describe_options(self, width: int = 100) -> str:
        """Return a listing of the options, of the classifier where there are two classes."""
        return describe_options(self.load(next(iter(self.classes))), self.fit_names, self.open_ended, width)


def _regression(name: str, summary: str) -> Learner:
    return Learner("scalable.linear", {"regression": name}, summary)


LEARNERS = {
    "logistic": Learner(
        "scalable.linear",
        {"classification": "LogisticRegression"},
        "logistic regression, by Newton or descent",
    ),
    "linear": _regression("LinearRegression", "least squares, exact, from one streamed pass"),
    "ridge": _regression("Ridge", "least squares with an L2 penalty, from one pass"),
    "lasso": _regression("Lasso", "least squares with an L1 penalty, from one pass"),
    "elastic-net": _regression("ElasticNet", "least squares with both penalties, from one pass"),
    "elastic-net-cv": _regression("ElasticNetCV", "the whole penalty path, cross-validated in one pass"),
    "svc": Learner(
        "scalable.linear", {"classification": "LinearSVC"}, "linear support vectors (hinge losses)"
    ),
    "sgd": Learner(
        "scalable.linear",
        {"classification": "SGDClassifier", "regression": "SGDRegressor"},
        "stochastic descent with a choice of losses, penalties and optimizers",
    ),
    "lightgbm": Learner(
        "scalable.boosting",
        {"classification": "LGBMClassifier", "regression": "LGBMRegressor"},
        "LightGBM, streamed and distributed; every LightGBM parameter passes through",
        ("valid", "early_stopping", "checkpoint_every", "on_loss"),
        "and every parameter of LightGBM under any of its names, such as --lambda-l2 10 --objective tweedie",
    ),
}


def get_learner(name: str) -> Learner:
    """Return a learner by its name on the command line."""
    if name not in LEARNERS:
        near = difflib.get_close_matches(name, LEARNERS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(LEARNERS)}"
        raise typer.BadParameter(f"unknown learner {name!r}; {hint}")
    return LEARNERS[name]


def literal(pair: str) -> tuple[str, Any]:
    """Return the name and the value of ``name=value``; numbers, booleans and None are read as such."""
    name, equals, text = pair.partition("=")
    if not equals or not name:
        raise typer.BadParameter(f"{pair!r} is not NAME=VALUE")
    return name.strip().replace("-", "_"), _value(text.strip())


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
                options[pending] = _value(text)
                pending = None
        elif pending is not None:
            options[pending] = _value(argument)
            pending = None
        else:
            raise typer.BadParameter(f"unexpected argument {argument!r}; options look like --num-leaves 63")
    if pending is not None:
        options[pending] = True
    return options


def _value(text: str) -> Any:
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
