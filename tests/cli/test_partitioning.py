"""Columns from paths on the command line, and the base rate beside every score."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

Run = Callable[..., Any]


@pytest.fixture
def hive(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=400), "year": np.repeat([2025, 2026], 200)})
    frame["y"] = (frame["x"] + (frame["year"] == 2026) + rng.normal(size=400) > 0.5).astype(int)
    frame.to_parquet(tmp_path / "rows", partition_cols=["year"])
    return tmp_path / "rows"


def columns(model: Path) -> list[str]:
    from scalable.inference import load_model

    return load_model(model).needed


def test_paths_are_columns_unless_told_otherwise(hive: Path, tmp_path: Path, scalable: Run) -> None:
    for how, expected in (("hive", ["x", "year"]), ("none", ["x"]), ("year=string", ["x", "year"])):
        model = tmp_path / how.replace("=", "-")
        words = ["logistic", str(hive), "--target", "y", "--model", str(model), "--partitioning", how]
        assert scalable("train", *words).code == 0
        assert columns(model) == expected
        words = [str(model), str(hive), "--partitioning", how]
        assert scalable("evaluate", *words, "--target", "y").code == 0
        assert scalable("predict", *words, "--out", str(tmp_path / f"{model.name}.out")).code == 0


def test_a_partitioning_that_is_none_is_refused(hive: Path, tmp_path: Path, scalable: Run) -> None:
    words = ["logistic", str(hive), "--target", "y", "--model", str(tmp_path / "m")]
    found = scalable("train", *words, "--partitioning", "directory")
    assert found.code == 2
    assert "is not hive, none, or types such as" in " ".join(found.err.split())
    assert scalable("train", *words, "--partitioning", "month=int32").code == 1


def test_the_base_rate_stands_beside(hive: Path, tmp_path: Path, scalable: Run) -> None:
    model, report = str(tmp_path / "m"), tmp_path / "quality.json"
    for learner, target in (("logistic", "y"), ("linear", "x")):
        words = [learner, str(hive), "--target", target, "--model", model, "--overwrite"]
        assert scalable("train", *words).code == 0
        found = scalable("evaluate", model, str(hive), "--target", target, "--json", str(report))
        assert "base rate" in found.out
        ours, base = json.loads(report.read_text())["sections"]["quality"][:2]
        truth = pd.read_parquet(hive)[target]
        if target == "x":
            assert base["rmse"] == pytest.approx(truth.std(ddof=0), rel=1e-6)
            assert ours["rmse"] < base["rmse"]
        else:
            p = truth.mean()
            assert base["log_loss"] == pytest.approx(-p * np.log(p) - (1 - p) * np.log(1 - p))
            assert base["brier"] == pytest.approx(p * (1 - p))
            assert ours["log_loss"] < base["log_loss"]
