from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scalable.models.predictors import load_model

Run = Callable[..., Any]
SPACE = "learning_rate=log:0.05:0.5,num-leaves=4|8"
MEASURED = json.dumps({"kind": "scalable search 1", "fingerprint": {}, "measured": []})


def test_a_search_writes_the_best_model_and_a_page(scalable: Run, toy: Path, tmp_path: Path) -> None:
    model, page, told = (tmp_path / name for name in ("model", "page.html", "search.json"))
    words = ["tune", "lightgbm", toy, "--target", "label", "--features", "x,city", "--space", SPACE, "--trials", 4,
             "--budget", 9, "--num-threads", 1, "--model", model]  # fmt: skip
    outcome = scalable(*words, "--out", page, "--json", told)
    assert outcome.code == 0, outcome
    search = json.loads(told.read_text())["sections"]["search"]
    assert [(rung["trials"], rung["budget"]) for rung in search["rungs"]] == [(4, 3), (1, 9)]
    assert f"--num-leaves {search['best']['params']['num_leaves']}" in outcome.out
    assert "binary_logloss" in outcome.out
    text = page.read_text()
    assert text.count("<svg") == 3  # curves, two parameters
    assert "not of the shape" not in text
    assert load_model(model).predict_one({"x": 0.5, "city": "Lima"}) > 0.4
    assert not Path(f"{model}.search").exists()
    assert scalable("monitor", model, toy, "--target", "label").code == 0  # the reference is in the model
    again = scalable(*words)
    assert again.code == 2
    assert "--overwrite" in again.err
    left = tmp_path / "other.search"
    left.write_text(MEASURED)
    forgetful = scalable(*words[:-1], tmp_path / "other")
    assert forgetful.code == 2
    assert "go on with --resume, or start over with --overwrite" in forgetful.err
    assert left.read_text() == MEASURED
    assert scalable(*words[:-1], tmp_path / "other", "--overwrite").code == 0
    assert not left.exists()


def test_a_rung_whose_trials_failed_is_drawn_too() -> None:
    from scalable.report import render
    from scalable.report.document import new_results

    def trial(k: int, value: float | None, **others: Any) -> dict[str, Any]:
        curve = [] if value is None else [[3, value]]
        return {"trial": k, "params": {"kind": "abc"[k], "rate": k}, "status": "pruned", "budget": 3, "value": value,
                "at": 3, "curve": curve, "fault": "", **others}  # fmt: skip

    trials = [
        trial(0, 0.5),
        trial(1, 0.25, status="finished"),
        trial(2, None, status="failed", fault="rate <b>"),
    ]
    search = {"learner": "lightgbm", "metric": "auc", "higher_is_better": True, "unit": "iterations",
              "rungs": [{"trials": 3, "budget": 3}], "trials": trials, "best": trials[0]}  # fmt: skip
    text = render([new_results("tune", {"search": search})])
    assert "rate &lt;b&gt;" in text
    assert text.count("<svg") == 3


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("tune lightgbm DATA --target label --space lerning_rate=1|2", 2, "did you mean 'learning_rate'"),
        ("tune lightgbm DATA --target label --space learning_rate", 2, "is not NAME=FORM"),
        ("tune lightgbm DATA --target label", 2, "--space"),
        ("tune lightgmb DATA --target label --space C=1", 2, "did you mean lightgbm"),
        ("tune lightgbm DATA --target label --space num_leaves=4 --resume", 2, "--checkpoint"),
        ("tune lightgbm DATA --target none --space num_leaves=4", 1, "'none'"),
    ],
)
def test_what_is_off_is_told_in_one_line(line: str, code: int, said: str, scalable: Run, toy: Path) -> None:
    outcome = scalable(*line.replace("DATA", str(toy)).split())
    assert outcome.code == code, outcome
    assert said in outcome.err
    assert "Traceback" not in outcome.err
