"""Two models side by side: on the terminal, on one page, and from two results files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scalable.report.document import new_results
from scalable.report.results import to_json
from scalable.report.sections import BASE_RATE, BAYES

Run = Callable[..., Any]


@pytest.fixture
def models(scalable: Run, toy: Path, tmp_path: Path) -> tuple[Path, Path]:
    paths = tmp_path / "good.model", tmp_path / "poor.model"
    for path, features in zip(paths, ("x,city", "count,city"), strict=True):
        words = ("train", "logistic", toy, "--target", "label", "--features", features, "--model", path, "-q")
        assert scalable(*words).code == 0
    return paths


def test_models_are_compared_row_by_row(
    models: tuple[Path, Path], scalable: Run, toy: Path, tmp_path: Path
) -> None:
    out, page = tmp_path / "c.json", tmp_path / "c.html"
    outcome = scalable("compare", *models, toy, "--target", "label", "--json", out, "--out", page)
    assert outcome.code == 0, outcome.err
    assert "paired on the same rows" in outcome.out
    assert "worse" in outcome.out
    _, _, rows = outcome.out.partition("paired on the same rows")
    assert " −" in rows, "one sign for less"
    assert not re.search(r" -\d", rows)
    sections = json.loads(out.read_text())["sections"]
    assert [row["model"] for row in sections["quality"]] == [str(path) for path in models]
    auc = next(row for row in sections["differences"] if row["metric"] == "auc")
    assert [auc["a"], auc["b"]] == [row["auc"] for row in sections["quality"]]
    assert auc["difference"] == auc["b"] - auc["a"]
    assert auc["high"] < 0
    assert "good.model" in page.read_text()


def test_results_of_two_evaluations(
    models: tuple[Path, Path], scalable: Run, toy: Path, tmp_path: Path
) -> None:
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    for model, file in zip(models, files, strict=True):
        assert scalable("evaluate", model, toy, "--target", "label", "--json", file).code == 0
    outcome = scalable("compare", *files)
    assert outcome.code == 0
    assert "auc" in outcome.out.lower()
    assert "pairs their rows" in outcome.out
    busier = json.loads(files[1].read_text())
    busier["machine"]["load"] = 7.5  # the same machine, at another moment
    files[1].write_text(json.dumps(busier))
    assert scalable("report", *files, "--out", tmp_path / "both.html").code == 0
    text = (tmp_path / "both.html").read_text()
    one = scalable("report", files[0], "--out", tmp_path / "one.html")
    assert one.code == 0
    curves = text.count("<svg") - 3  # the bars of two stages, where one has none
    assert curves <= (tmp_path / "one.html").read_text().count("<svg") + 2, "curves share pictures"


def test_what_is_missing_is_said(models: tuple[Path, Path], scalable: Run, toy: Path) -> None:
    outcome = scalable("compare", *models)
    assert outcome.code == 2
    assert "DATA --target COL" in outcome.err
    assert scalable("compare", *models, toy).code == 2


def test_evaluations_of_one_name_are_told_apart(scalable: Run, tmp_path: Path) -> None:
    """As after training a model anew: the later one must not vanish."""
    quality = [{"model": name, "auc": 0.8} for name in ("my.model", BASE_RATE, BAYES)]
    sections = {"dataset": {"name": "held", "rows": 10, "files": 1}, "stages": [], "quality": quality}
    for name in ("before", "after"):
        (tmp_path / f"{name}.json").write_text(to_json(new_results("evaluate", sections)))
    page = tmp_path / "both.html"
    assert scalable("report", tmp_path / "before.json", tmp_path / "after.json", "--out", page).code == 0
    text = page.read_text()
    models = [text.index(name) for name in ("my.model (before)", "my.model (after)")]
    references = [text.rindex(f">{name}<") for name in (BASE_RATE, BAYES)]
    assert [*models, *references] == sorted([*models, *references])
    assert [text.count(f">{name}<") for name in (BASE_RATE, BAYES)] == [1, 1]
