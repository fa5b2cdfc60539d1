"""2: the words of the command are off. 1: files, data or the machine are not as they would have to be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "generate frud --rows 10 --out OUT",
        "generate fraud --rows 0 --out OUT",
        "generate fraud --rows 10",
        "generate fraud --rows 10 --out OUT --set prevalance=1",
        "generate fraud --rows 10 --out OUT --shards-of 4/4",
        "train logistc DATA --target label --model OUT",
        "train logistic DATA --model OUT",
        "train logistic DATA --target label --model OUT --solvr sgd",
        "train logistic DATA --target label --model OUT --max-iter abc",
        "train logistic DATA --target label --model OUT --task regression",
        "train logistic DATA --target label --model OUT --workers 0",
        "evaluate OUT DATA",
        "evaluate OUT DATA --target label --nonsense",
        "report",
        "quickstart --rows 100 --out OUT",
        "versus --profile huge",
        "latency OUT DATA --rows 0",
        "verify DATA --json OUT/none/x.json",
    ],
)
def test_wrong_words_end_with_two(line: str, scalable: Run, toy: Path, tmp_path: Path) -> None:
    words = line.replace("DATA", str(toy)).replace("OUT", str(tmp_path / "out")).split()
    outcome = scalable(*words)
    assert outcome.code == 2, outcome
    assert "unexpected" not in outcome.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "line",
    [
        "verify NONE",
        "verify DATA",
        "describe NONE",
        "train logistic NONE --target label --model OUT",
        "train logistic DATA --target labels --model OUT",
        "train logistic DATA --target label --features x,nothing --model OUT",
        "evaluate NONE DATA --target label",
        "predict NONE DATA --out OUT",
        "latency NONE DATA",
        "compare NONE NONE",
        "report NONE --out OUT",
        "report DATA/part-0.parquet --out OUT",
    ],
)
def test_what_is_not_there_ends_with_one(line: str, scalable: Run, toy: Path, tmp_path: Path) -> None:
    words = line.replace("DATA", str(toy)).replace("OUT", str(tmp_path / "out"))
    outcome = scalable(*words.replace("NONE", str(tmp_path / "none")).split())
    assert outcome.code == 1, outcome
    assert outcome.err.startswith("scalable: ")
    assert "unexpected" not in outcome.err
    assert not (tmp_path / "out").exists()


def test_a_model_is_replaced_only_when_asked(scalable: Run, toy: Path, tmp_path: Path) -> None:
    words = ("train", "linear", toy, "--target", "amount", "--features", "x", "--model", tmp_path / "m")
    assert scalable(*words).code == 0
    before = (tmp_path / "m" / "model.json").read_bytes()
    outcome = scalable(*words, "--alpha", "3")
    outcome = scalable(*words)
    assert outcome.code == 2
    assert "add --overwrite" in outcome.err
    assert (tmp_path / "m" / "model.json").read_bytes() == before
    assert scalable(*words, "--overwrite").code == 0


def test_a_score_follows_training(scalable: Run, toy: Path, tmp_path: Path) -> None:
    words = ("train", "logistic", toy, "--target", "label", "--features", "x,city", "--model", tmp_path / "m")
    out = scalable(*words).out
    assert "rows it was trained on: auc 0." in out
    assert f"scalable evaluate {tmp_path / 'm'} HELD_OUT --target label" in out
    out = scalable(*words, "--overwrite", "--valid", toy / "part-1.parquet").out
    assert "on 3,000 held-out rows: auc 0." in out


def test_all_columns_are_named(scalable: Run, toy: Path, tmp_path: Path) -> None:
    outcome = scalable("train", "linear", toy, "--target", "zzzz", "--model", tmp_path / "m")
    assert "its columns are x, count, city, gap, flag, same, label, amount" in outcome.err
