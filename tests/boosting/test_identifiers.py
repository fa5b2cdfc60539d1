"""Identifiers beside plain LightGBM: never worse than it, nor than leaving the column out."""

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from scalable.boosting import LGBMClassifier
from scalable.errors import DataError, DataWarning
from scalable.inference import load_model

OPTIONS = {"n_estimators": 30, "num_leaves": 15, "verbosity": -1, "n_jobs": 1}


def areas(train, test):
    (x, y), (new, truth) = train, test
    ours = LGBMClassifier(**OPTIONS, n_workers=1).fit(x, y)
    without = [name for name in x if not name.endswith("_id")]
    plain = lgb.LGBMClassifier(**OPTIONS)
    return (
        ours,
        roc_auc_score(truth, ours.predict_proba(new)[:, 1]),
        roc_auc_score(truth, plain.fit(x, y).predict_proba(new)[:, 1]),
        roc_auc_score(truth, plain.fit(x[without], y).predict_proba(new[without])[:, 1]),
    )


def numbered(seed):
    rng = np.random.default_rng(seed)
    x = pd.DataFrame(rng.normal(size=(20_000, 2)), columns=["a", "b"])
    x["order_id"] = rng.integers(0, 30_000, len(x))
    score = 2 * np.sin(x["order_id"] / 1500) + 0.5 * x["a"]
    return x, (rng.random(len(x)) < 1 / (1 + np.exp(-score))).astype(int)


def sessions(first, seed, rows=4):
    rng = np.random.default_rng(seed)
    n = 5_000
    x = pd.DataFrame(rng.normal(size=(n, 4)), columns=list("abcd"))
    y = (rng.random(n) < 1 / (1 + np.exp(-1.2 * x["a"] - 0.8 * x["b"] * x["c"]))).astype(int)
    x["session_id"] = np.arange(first, first + n)
    order = rng.permutation(np.repeat(np.arange(n), rows))
    return x.iloc[order].reset_index(drop=True), y.to_numpy()[order]


def test_an_identifier_whose_number_matters_keeps_it():
    model, ours, plain, without = areas(numbered(0), numbered(1))
    assert ours > plain - 0.01
    assert plain > without + 0.1
    assert model.booster_.feature_name() == ["a", "b", "order_id_mean", "order_id_share", "order_id"]
    assert "and the number" in model.describe_columns()[2]


def test_identifiers_all_new_at_test_are_left_out_and_said():
    with pytest.warns(
        DataWarning, match="'session_id': left out, as its rows share their target .4.0 rows each"
    ):
        model, ours, plain, without = areas(sessions(0, 0), sessions(10**6, 1))
    assert ours == without >= plain
    assert model.booster_.feature_name() == list("abcd")
    assert model.feature_importances_.tolist()[-1] == 0
    assert model.feature_name_ == [*"abcd", "session_id"]


def test_identifiers_that_are_new_cost_little_and_those_that_are_known_tell_much():
    rng = np.random.default_rng(0)
    n, n_ids = 30_000, 5_000
    x = pd.DataFrame(rng.normal(size=(n, 3)), columns=list("abc"))
    place = rng.integers(0, n_ids, n)
    x["shop_id"] = rng.permutation(10**6)[place]
    score = x["a"] + 2.0 * rng.normal(size=n_ids)[place]
    y = (rng.random(n) < 1 / (1 + np.exp(-score))).astype(int).to_numpy()
    for held, least in ((place % 5 == 0, -0.005), (rng.random(n) < 0.2, 0.1)):
        _, ours, plain, without = areas((x[~held], y[~held]), (x[held], y[held]))
        assert ours > without + least
        assert ours > plain - 0.005


@pytest.mark.parametrize("make", [numbered, lambda seed: sessions(0, seed)], ids=["numbered", "left out"])
@pytest.mark.filterwarnings("ignore::scalable.errors.DataWarning")
def test_a_saved_model_answers_the_same_by_every_road(make, tmp_path):
    x, y = make(0)
    model = LGBMClassifier(**OPTIONS, n_workers=1, identifiers=True).fit(x, y)
    model.save(tmp_path / "m")
    expected = model.predict_proba(x[:200])[:, 1]
    predictor = load_model(tmp_path / "m")
    np.testing.assert_array_equal(LGBMClassifier.load(tmp_path / "m").predict_proba(x[:200])[:, 1], expected)
    np.testing.assert_array_equal(predictor.predict(x[:200]), expected)
    rows = x[:200].to_dict("records")
    np.testing.assert_array_equal(predictor.predict(rows), expected)
    assert [predictor.predict_one(row) for row in rows[:20]] == expected[:20].tolist()


@pytest.mark.parametrize("engine", ["lightgbm", "native"])
def test_constraints_by_the_users_columns_fit_the_number_too(engine):
    x, y = numbered(0)
    groups = [["a", "order_id"], ["b"]]
    model = LGBMClassifier(**OPTIONS, n_workers=1, engine=engine, interaction_constraints=groups).fit(x, y)
    assert model.booster_.num_feature() == 5


def test_a_column_of_copies_alone_is_refused():
    x, y = sessions(0, 0)
    x["session_id"] = "s" + x["session_id"].astype(str)
    with pytest.raises(DataError, match="no column is left to learn from"):
        LGBMClassifier(**OPTIONS, n_workers=1).fit(x[["session_id"]], y)
