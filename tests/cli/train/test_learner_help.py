"""`scalable train LEARNER --help` lists what the learner can be told; a wrong value is refused by its option's name."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from scalable.boosting.options import ON_LOSS, Options
from scalable.cli.train.learner_options import FIT_OPTIONS, parameters
from scalable.cli.train.learners import LEARNERS, source_of

Run = Callable[..., Any]


@pytest.mark.parametrize("name", LEARNERS)
def test_every_option_is_listed_with_its_default_and_meaning(name: str, scalable: Run) -> None:
    code, out, _ = scalable("train", name, "--help")
    assert code == 0
    listing = out.split(f"Options of {name}")[1]
    entry = LEARNERS[name]
    cls = source_of(entry, next(iter(entry.classes)))
    for option, parameter in parameters(cls).items():
        lines = [text for text in listing.splitlines() if text.startswith(f"  --{option.replace('_', '-')} ")]
        assert len(lines) == 1, option
        assert f"[{str(parameter.default).lower()}]" in lines[0], option
        after = listing.split(lines[0])[1].splitlines()[1:]
        meaning = lines[0].split("]", 1)[1].strip() or (after[0].strip() if after else "")
        assert len(meaning.strip()) > 8, f"{option} has no meaning in the docstring of {cls.node.name}"
    assert "--client " not in listing
    assert ("every parameter of LightGBM" in listing) == (name == "lightgbm")


@pytest.mark.parametrize("name", LEARNERS)
def test_what_a_source_says_is_what_its_class_takes(name: str) -> None:
    for task in LEARNERS[name].classes:
        cls = LEARNERS[name].estimator(task)
        taken = {
            key: (one.default, one.annotation)
            for key, one in inspect.signature(cls).parameters.items()
            if one.kind is not one.VAR_KEYWORD
        }
        source = source_of(LEARNERS[name], task)
        said = {key: (one.default, one.annotation) for key, one in source.parameters.items()}
        assert list(said.items()) == list(taken.items())
        assert source.docstring == inspect.getdoc(cls)
        bases = [one.__name__ for one in cls.__mro__ if one.__module__.startswith("scalable.")]
        assert [one.node.name for one in source.bases] == bases


def test_help_of_a_learner_imports_no_learner() -> None:
    shown = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "scalable", "train", "lightgbm", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--num-leaves" in shown.stdout
    imported = {line.rpartition("|")[2].strip() for line in shown.stderr.splitlines()}
    assert not imported & {"numpy", "numba", "pyarrow", "lightgbm", "sklearn", "scalable.boosting"}


def test_options_of_the_fit_are_those_that_it_takes() -> None:
    defaults = {field.name: str(field.default) for field in fields(Options)}
    assert {name: default for name, (default, _) in FIT_OPTIONS.items()} == {
        name: defaults[name] for name in FIT_OPTIONS
    }
    assert set(re.findall(r"\braise|\breplace|\bshrink", FIT_OPTIONS["on_loss"][1])) == set(ON_LOSS)
    assert set(FIT_OPTIONS) == {name for each in LEARNERS.values() for name in each.fit_names} - {"valid"}


def test_help_without_a_learner_is_that_of_the_command(scalable: Run) -> None:
    code, out, _ = scalable("train", "--help")
    assert code == 0
    assert "Options of" not in out
    assert scalable("train", "-h").out == out


def test_choices_are_named(scalable: Run) -> None:
    out = scalable("train", "logistic", "--help").out
    assert "l2, l1, elasticnet" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--max-iter", "abc"), "--max-iter takes a whole number or none, not 'abc'"),
        (("--max-iter", "2.5"), "--max-iter takes a whole number or none, not 2.5"),
        (("--tol", "small"), "--tol takes a number or none, not 'small'"),
        (("--fit-intercept", "3"), "--fit-intercept takes true or false, not 3"),
        (("--C", "none"), "--C takes a number, not None"),
    ],
)
def test_a_wrong_value_is_refused_by_name(
    words: tuple[str, str], message: str, scalable: Run, toy: Path, tmp_path: Path
) -> None:
    code, _, err = scalable("train", "logistic", toy, "--target", "label", "--model", tmp_path / "m", *words)
    assert code == 2
    assert message in err
    assert "unexpected" not in err
    assert not (tmp_path / "m").exists()
