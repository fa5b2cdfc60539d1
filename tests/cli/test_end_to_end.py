"""The commands as a user chains them, on Parquet this project did not write."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_gen.errors import RequestError
from scalable.cli.screen.interrupt import resume_hint
from tests.cli.conftest import in_one_process

Run = Callable[..., Any]

JOBS = [
    ("logistic", "label", ["prediction"]),
    ("linear", "amount", ["prediction"]),
    ("lightgbm", "label", ["prediction"]),
    ("lightgbm", "amount", ["prediction"]),
    ("lightgbm", "city", ["prediction_Bern", "prediction_Lima", "prediction_Oslo"]),
]


@pytest.mark.parametrize(("learner", "target", "columns"), JOBS)
def test_train_evaluate_predict(
    learner: str, target: str, columns: list[str], scalable: Run, toy: Path, tmp_path: Path
) -> None:
    model, scores = tmp_path / "model", tmp_path / "scores"
    outcome = scalable(
        "train", learner, toy, "--target", target, "--model", model, "--json", tmp_path / "t.json"
    )
    assert outcome.code == 0, outcome.err
    assert "same (int32): dropped (constant)" in outcome.out or learner == "lightgbm"
    assert json.loads((tmp_path / "t.json").read_text())["sections"]["stages"][0]["rows"] == 6000

    outcome = scalable("evaluate", model, toy, "--target", target, "--json", tmp_path / "e.json")
    assert outcome.code == 0, outcome.err
    quality = json.loads((tmp_path / "e.json").read_text())["sections"]["quality"][0]
    assert quality.get("auc", quality.get("r2", quality.get("accuracy"))) > 0.3

    outcome = scalable("predict", model, toy, "--out", scores)
    assert outcome.code == 0, outcome.err
    written = pq.read_table(scores)
    assert written.column_names == columns
    assert written.num_rows == 6000
    assert not any(np.isnan(column.to_numpy()).any() for column in written.columns)


def test_same_predictions_in_a_fresh_process(scalable: Run, toy: Path, tmp_path: Path) -> None:
    learners = ("logistic", "lightgbm")
    for learner in learners:
        model = tmp_path / learner
        assert scalable("train", learner, toy, "--target", "label", "--model", model).code == 0
        assert scalable("predict", model, toy, "--out", tmp_path / f"{learner}-here").code == 0
    there = [["predict", tmp_path / name, toy, "--out", tmp_path / f"{name}-there"] for name in learners]
    done = in_one_process(there)
    assert done.returncode == 0, done.stderr
    for learner in learners:
        here, there = (pq.read_table(tmp_path / f"{learner}-{where}") for where in ("here", "there"))
        assert here.equals(there)


def test_unlabelled_data_of_other_column_order(scalable: Run, toy: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    assert scalable("train", "logistic", toy, "--target", "label", "--model", model).code == 0
    table = pq.read_table(toy)
    names = [name for name in reversed(table.column_names) if name != "label"]
    pq.write_table(table.select(names), tmp_path / "new.parquet")
    assert scalable("predict", model, tmp_path / "new.parquet", "--out", tmp_path / "a").code == 0
    assert scalable("predict", model, toy, "--out", tmp_path / "b").code == 0
    assert pq.read_table(tmp_path / "a").equals(pq.read_table(tmp_path / "b"))


def test_missing_feature_is_named(scalable: Run, toy: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    assert scalable("train", "logistic", toy, "--target", "label", "--model", model).code == 0
    pq.write_table(pq.read_table(toy).drop_columns(["city"]), tmp_path / "new.parquet")
    outcome = scalable("predict", model, tmp_path / "new.parquet", "--out", tmp_path / "a")
    assert outcome.code == 1
    assert "'city'" in outcome.err
    assert not (tmp_path / "a").exists()


def test_quickstart_leaves_what_others_call_so(scalable: Run, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text("{}")
    outcome = scalable("quickstart", "--rows", "20k", "--out", tmp_path)
    assert outcome.code == 2
    assert "results.json: is there already" in outcome.err
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


def test_what_a_fit_decided_is_said_in_a_pipe_too(scalable: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=4000)
    table = pa.table({"x": x, "rare": (rng.random(4000) < 0.02 * (1 + (x > 1))).astype(np.int8)})
    pq.write_table(table, tmp_path / "rows.parquet")
    words = ["train", "lightgbm", tmp_path / "rows.parquet", "--target", "rare", "--n-estimators", 300]
    outcome = scalable(*words, "--model", tmp_path / "m")
    assert outcome.code == 0, outcome
    said = outcome.err.splitlines()
    assert any(line.startswith("scalable: rare positives: min_sum_hessian_in_leaf=") for line in said), said
    assert any(
        re.fullmatch(r"scalable: \d+ of 300 iterations: no further split gains enough", line) for line in said
    )
    assert scalable(*words, "--model", tmp_path / "n", "-q").err == ""


def test_quickstart_replaces_what_an_interrupted_one_left(tmp_path: Path) -> None:
    """A stranger who ends the first run types the same again, and has no option to repair it with."""
    from scalable.cli.bench import journey

    (tmp_path / "data" / ".generation").mkdir(parents=True)
    (tmp_path / "data" / "part-000000.parquet").write_bytes(b"begun")
    assert journey.generate(tmp_path / "data", 1000, 0, []).rows == 1000
    assert "half-written" not in resume_hint(["quickstart"])
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "part-000000.parquet").write_bytes(b"mine")
    with pytest.raises(RequestError, match="something else"):
        journey.generate(tmp_path / "mine", 1000, 0, [])
