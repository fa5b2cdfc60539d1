"""Forms of a saved forest, written with its encoder: raw rows get the scores that were measured, on every road."""

import json
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.boosting import LGBMClassifier
from scalable.cli.app import build
from scalable.cli.screen.failure import run
from scalable.errors import ModelError
from scalable.inference import load_model
from scalable.inference.cascade import Cascade
from scalable.latency import tradeoffs
from scalable.latency.chosen import write_chosen
from scalable.models.store import read_model, save_model

N, N_TREES = 3_000, 32


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("chosen")
    rng = np.random.default_rng(0)
    x, city = rng.normal(size=N), rng.choice(["Bern", "Lima", "Oslo"], N)
    y = (1.5 * x + 2.0 * (city == "Lima") + rng.normal(size=N) > 0.5).astype(int)
    gap = pa.array(x + rng.normal(size=N), mask=rng.random(N) < 0.1)
    when = pa.array(rng.integers(0, 30 * 86_400, N)).cast(pa.timestamp("s"))
    label = np.array(["no", "yes"])[y]
    table = pa.table({"gap": gap, "city": city, "when": when, "x": x, "label": label})
    pq.write_table(table.slice(0, N // 2), place / "rows.parquet")
    pq.write_table(table.slice(N // 2), place / "held.parquet")
    model = LGBMClassifier(n_estimators=N_TREES, num_leaves=7, n_jobs=1)
    model.fit(ParquetSource(place / "rows.parquet", target="label")).save(place / "model")
    return place


@pytest.fixture(scope="module")
def choices(place):
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tradeoffs, "best_within", lambda made, most_us: found.extend(made) or made[0])
        tradeoffs.compare(place / "model", str(place / "held.parquet"), "label", "1ms", None)
    return {choice.name: choice for choice in found}


def rows_of(place):
    return pq.read_table(place / "held.parquet").drop_columns("label")


def test_every_form_answers_raw_rows_with_the_bits_that_were_measured(choices, place, tmp_path):
    rows, whole = rows_of(place), load_model(place / "model")
    X = np.concatenate([whole.matrix(raw) for raw in whole._blocks(rows)])
    dicts = rows.slice(0, 50).to_pylist()
    for k, (name, choice) in enumerate(choices.items()):
        out = tmp_path / f"form {k}"
        write_chosen(out, read_model(place / "model"), choice.model, choice.text)
        model, expected = load_model(out), np.asarray(choice.model.predict(X))
        assert model.kind == ("cascade" if isinstance(choice.model, Cascade) else "forest"), name
        for found in (model.predict(rows), pickle.loads(pickle.dumps(model)).predict(rows.to_pandas())):
            np.testing.assert_array_equal(found, expected, name)
        np.testing.assert_array_equal(model.predict(dicts), expected[:50], name)
        assert model.predict_one(dicts[0]) == expected[0]
        assert (model.classes, model.needed) == (whole.classes, whole.needed)
    assert len({len(read_model(tmp_path / f"form {k}").texts["booster.txt"]) for k in range(5)}) == 5
    assert k == 10


def test_fewer_trees_are_an_estimator_that_stopped_early(choices, place, tmp_path):
    rows = rows_of(place)
    for name in ("the forest", "first 8 trees", "distilled, 4 trees of 31 leaves"):
        write_chosen(tmp_path / name, read_model(place / "model"), choices[name].model, choices[name].text)
        learner = LGBMClassifier.load(tmp_path / name)
        found = load_model(tmp_path / name).predict(rows)
        np.testing.assert_allclose(learner.predict_proba(rows)[:, 1], found, rtol=1e-12)
        assert set(learner.predict(rows)) == {"no", "yes"}
        if name == "first 8 trees":
            assert (learner.n_estimators, learner.best_iteration_) == (8, 8)
    assert read_model(tmp_path / "the forest") == read_model(place / "model")


@pytest.mark.parametrize("name", ["first 16 trees", "linear model, then the forest for 50%"])
def test_the_command_writes_what_other_commands_take(choices, place, tmp_path, monkeypatch, capsys, name):
    monkeypatch.setattr(tradeoffs, "measure_tradeoffs", lambda *_: list(choices.values()))
    monkeypatch.setattr(tradeoffs, "best_within", lambda made, _: choices[name])
    data, out = place / "held.parquet", tmp_path / "fast.model"
    command(
        "latency",
        place / "model",
        data,
        "--target",
        "label",
        "--tradeoffs",
        "--budget",
        "1ms",
        "--write",
        out,
    )
    command("predict", out, data, "--out", tmp_path / "scores")
    command("evaluate", out, data, "--target", "label", "--json", tmp_path / "found.json")
    command("monitor", out, data, "--target", "label")  # holds them against the rows it was chosen on: quiet
    (scores,) = pq.read_table(tmp_path / "scores").select(["prediction"]).columns
    np.testing.assert_array_equal(scores.to_numpy(), load_model(out).predict(rows_of(place)))
    assert choices[name].name in capsys.readouterr().out
    assert "log_loss" in json.dumps(json.loads((tmp_path / "found.json").read_text()))


def command(*words):
    assert run(build(), [str(word) for word in words]) == 0


@pytest.mark.parametrize(
    "front",
    [
        {"margin": 0.5, "trees": N_TREES}, {"margin": 0.5, "trees": 0}, {"margin": 0.5, "trees": "2"},
        {"margin": 0.5, "trees": True}, {"margin": -1.0, "trees": 2}, {"margin": float("nan"), "trees": 2},
        {"margin": 0.5, "coef": [1.0], "intercept": 0.0}, {"margin": 0.5, "coef": [[1.0, 2.0]], "intercept": "x"},
        {"trees": 2}, [],
    ],
)  # fmt: skip
def test_a_front_that_does_not_fit_is_refused(place, tmp_path, front):
    stored = read_model(place / "model")
    save_model(
        tmp_path / "bad", "cascade", {"forest": stored.meta, "front": front}, stored.arrays, stored.texts
    )
    with pytest.raises(ModelError):
        load_model(tmp_path / "bad")
