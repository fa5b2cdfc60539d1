"""Faster forms of a forest: what each answers, that the budget's choice is the best within it, saved and read back."""

import json

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from scalable.cli.app import build
from scalable.errors import DataError, ModelError, UsageError
from scalable.inference import compile_model, load_compiled, load_model
from scalable.inference.cascade import Cascade, load_cascade
from scalable.latency.tradeoffs import Choice, best_within, budget_us, measure_tradeoffs


@pytest.fixture(scope="module")
def trained():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((4000, 4))
    X[rng.random((4000, 4)) < 0.02] = np.nan
    y = (np.nan_to_num(X[:, 0]) * 2 - np.nan_to_num(X[:, 1]) ** 2 + rng.standard_normal(4000) > 0).astype(
        float
    )
    params = {"objective": "binary", "num_leaves": 15, "verbose": -1, "num_threads": 1}
    booster = lgb.train(params, lgb.Dataset(X[:2000], y[:2000]), 32)
    return booster, X[2000:], y[2000:]


@pytest.fixture(scope="module")
def choices(trained):
    booster, X, y = trained
    return measure_tradeoffs(compile_model(booster), X, y)


def test_every_form_is_measured_on_rows_it_did_not_see(choices, trained):
    _, X, y = trained
    names = [choice.name for choice in choices]
    assert names[:5] == ["the forest", "first 16 trees", "first 8 trees", "first 4 trees", "first 2 trees"]
    assert (
        sum("linear model" in name for name in names) == sum("then the others" in name for name in names) == 2
    )
    assert sum("distilled" in name for name in names) == 2
    whole = choices[0]
    held = np.random.default_rng(0).permutation(len(X))[len(X) // 2 :]
    p = np.clip(trained[0].predict(X[held]), 1e-15, 1 - 1e-15)
    assert whole.log_loss == pytest.approx(
        -np.mean(np.where(y[held] > 0, np.log(p), np.log1p(-p))), rel=1e-12
    )
    ones, zeros = p[y[held] > 0][:, None], p[y[held] == 0]
    assert whole.auc == pytest.approx((ones > zeros).mean() + (ones == zeros).mean() / 2, abs=1e-9)
    for choice in choices:
        assert 0.5 < choice.auc < 1
        assert 0 < choice.p50_us <= choice.p99_us


def test_a_cascade_answers_as_its_parts_and_is_read_back(choices, trained, tmp_path):
    booster, X, _ = trained
    for choice in choices:
        if not isinstance(choice.model, Cascade):
            continue
        model = choice.model
        choice.model.save(tmp_path / "saved")
        again = load_cascade(tmp_path / "saved")
        found = model.predict(X[:300])
        np.testing.assert_array_equal(again.predict(X[:300]), found)
        np.testing.assert_allclose([model.predict_one(x) for x in X[:300]], found, rtol=1e-12)
        whole, first = booster.predict(X[:300]), np.asarray(model.first.predict(X[:300], raw_score=True))
        unsure = ~(np.abs(first) > model.margin)
        np.testing.assert_allclose(found[unsure], whole[unsure], rtol=1e-12)
        np.testing.assert_allclose(found[~unsure], 1 / (1 + np.exp(-first[~unsure])), rtol=1e-9)
        assert unsure.any()
        assert not unsure.all()
    document = tmp_path / "saved" / "cascade.json"
    document.write_text(json.dumps(json.loads(document.read_text()) | {"margin": "much"}))
    with pytest.raises(ModelError, match="damaged"):
        load_cascade(tmp_path / "saved")
    with pytest.raises(ModelError, match="no cascade"):
        load_cascade(tmp_path)


def test_a_distilled_forest_in_a_file_finds_the_columns_of_the_big_one(trained, tmp_path):
    booster, X, y = trained
    names = ["d", "c", "b", "a"]
    named = lgb.train(booster.params, lgb.Dataset(X, y, feature_name=names), 32)
    for choice in measure_tradeoffs(compile_model(named), X, y):
        if "distilled" in choice.name:
            choice.model.save(tmp_path / choice.name)
            again = load_model(tmp_path / choice.name)
            rows = pa.table({name: X[:, names.index(name)] for name in "abcd"})
            assert (again.task, again.needed) == ("binary", names)
            np.testing.assert_array_equal(again.predict(rows), choice.model.predict(X))


def test_the_budget_takes_the_best_within_it():
    made = [
        Choice(name, None, loss, 0.9, us, us)
        for name, loss, us in (("a", 0.1, 5), ("b", 0.2, 2), ("c", 0.3, 1))
    ]
    assert best_within(made, 2.0).name == "b"
    assert best_within(made, 9.0).name == "a"
    with pytest.raises(UsageError, match=r"the fastest, c, takes 1\.00 us"):
        best_within(made, 0.5)
    assert [budget_us(text) for text in ("2us", "1.5ms", "500ns")] == [2.0, 1500.0, 0.5]
    for text in ("2", "us", "-1us", "0us"):
        with pytest.raises(UsageError, match="such as 2us"):
            budget_us(text)


def test_what_has_no_tradeoffs_is_refused(trained):
    booster, X, y = trained
    with pytest.raises(DataError, match="400 labelled rows"):
        measure_tradeoffs(compile_model(booster), X[:300], y[:300])
    other = lgb.train({"verbose": -1, "num_threads": 1}, lgb.Dataset(X, y), 2)
    with pytest.raises(UsageError, match="one probability"):
        measure_tradeoffs(compile_model(other), X, y)


def test_the_command_writes_its_choice(trained, tmp_path):
    booster, X, y = trained
    booster.save_model(tmp_path / "model.txt")
    table = pa.table({name: X[:, j] for j, name in enumerate(booster.feature_name())} | {"y": y.astype(int)})
    pq.write_table(table, tmp_path / "held.parquet")
    arguments = ["latency", str(tmp_path / "model.txt"), str(tmp_path / "held.parquet"), "--tradeoffs"]
    files = {
        "--out": tmp_path / "page.html",
        "--json": tmp_path / "found.json",
        "--write": tmp_path / "choice",
    }
    more = [str(word) for pair in files.items() for word in pair]
    result = CliRunner().invoke(build(), [*arguments, "--target", "y", "--budget", "10ms", *more])
    assert result.exit_code == 0, result.output
    rows = json.loads(files["--json"].read_text())["sections"]["tradeoffs"]
    (chosen,) = [row for row in rows if row.get("chosen")]
    assert chosen["log_loss"] == min(row["log_loss"] for row in rows)
    assert f"within 10ms: {chosen['name']}, written to" in result.output
    saved = files["--write"]
    model = load_cascade(saved) if saved.is_dir() else load_compiled(saved)
    assert 0 < model.predict_one(X[0]) < 1
    page = files["--out"].read_text()
    assert "Trade-offs" in page
    assert "not of the shape" not in page
    assert CliRunner().invoke(build(), [*arguments[:3], "--budget", "1us"]).exit_code != 0
    for place, why in ((saved, "is there already"), (tmp_path / "none" / "choice", "there is no folder")):
        more = ["--target", "y", "--budget", "10ms", "--write", str(place)]
        with pytest.raises(UsageError, match=why):
            CliRunner().invoke(build(), [*arguments, *more], catch_exceptions=False)
