from __future__ import annotations

import pytest
import typer

from scalable.cli.options import parse_count, parse_part, split_names
from scalable.cli.train.learners import literal, parse_options


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("1", 1),
        ("5000000", 5_000_000),
        ("5_000_000", 5_000_000),
        ("1e9", 10**9),
        ("10M", 10**7),
        ("2.5k", 2500),
        ("1T", 10**12),
        ("9223372036854775807", 2**63 - 1),
    ],
)
def test_row_counts(text: str, rows: int) -> None:
    assert parse_count(text) == rows


@pytest.mark.parametrize("text", ["", "0", "-5", "ten", "1.5", "1e-3", "M", "5MM", "nan", "inf"])
def test_row_counts_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="positive whole number"):
        parse_count(text)


def test_parts() -> None:
    assert parse_part("0/4") == (0, 4)
    assert parse_part(None) is None
    for text in ("4/4", "1", "-1/4", "a/b"):
        with pytest.raises(typer.BadParameter, match="i/n"):
            parse_part(text)


def test_names_are_split_at_commas() -> None:
    assert split_names("a, b,,c") == ["a", "b", "c"]
    assert split_names(None) is None


def test_learner_options() -> None:
    words = ["--num-leaves", "63", "--learning-rate=0.05", "--extra-trees", "--device", "cpu", "--l1", "none"]
    assert parse_options(words) == {
        "num_leaves": 63,
        "learning_rate": 0.05,
        "extra_trees": True,
        "device": "cpu",
        "l1": None,
    }
    assert parse_options(["--low", "-3"]) == {"low": -3}
    with pytest.raises(typer.BadParameter, match="unexpected argument 'stray'"):
        parse_options(["stray"])


def test_knobs() -> None:
    assert literal("prevalence=0.01") == ("prevalence", 0.01)
    assert literal("drift=sudden") == ("drift", "sudden")
    with pytest.raises(typer.BadParameter, match="NAME=VALUE"):
        literal("prevalence")
