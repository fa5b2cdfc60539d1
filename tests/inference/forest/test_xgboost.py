"""XGBoost's models compiled: its own bits, from objects and from files; damaged files are named."""

import json

import numpy as np
import pytest

from bench.forest_draws import xgboost_forest
from scalable.errors import ModelError
from scalable.inference import compile_model, load_compiled
from scalable.inference.forest.places import Columns

xgboost = pytest.importorskip("xgboost", reason="xgboost is not installed (extra `peers`)")


def assert_same(got, expected, what):
    got, expected = np.asarray(got), np.ascontiguousarray(expected)
    assert (got.shape, got.dtype) == (expected.shape, expected.dtype), what
    assert not (got != expected).any(), f"{what}: {(got != expected).sum()} of {got.size} differ"


def check(seed, tmp_path):
    booster, X, types, what = xgboost_forest(seed)
    rows = xgboost.DMatrix(X, feature_types=types, enable_categorical=True)
    compiled = compile_model(booster)
    scores = getattr(compiled, "scores", compiled) if "softmax" in what else compiled
    expected = booster.predict(rows)
    assert_same(compiled.predict(X), expected.astype(int) if "softmax" in what else expected, what)
    raw = booster.predict(rows, output_margin=True)
    assert_same(scores.predict(X, raw_score=True), raw, what)
    first = booster.predict(rows, output_margin=True, iteration_range=(0, 1))
    assert_same(scores.predict(X, raw_score=True, num_iteration=1), first, what)
    one = np.array([scores.predict_one(x, raw_score=True) for x in X[:40]], np.float32)
    assert_same(one, raw[:40], what)
    walked = np.zeros((100, scores.n_outputs))
    scores.programs.walk(Columns.of_matrix(X[:100]), 0, walked)
    assert_same(walked.astype(np.float32), raw[:100].reshape(100, -1), what)
    for name in ("m.json", "m.ubj"):
        booster.save_model(tmp_path / name)
        assert_same(compile_model(tmp_path / name).predict(X), compiled.predict(X), what)
    compiled.save(tmp_path / "saved")
    assert_same(load_compiled(tmp_path / "saved").predict(X), compiled.predict(X), what)


@pytest.mark.parametrize("seed", range(24))
def test_drawn_forest_has_the_same_bits(seed, tmp_path):
    check(seed, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(24, 300))
def test_another_drawn_forest_has_the_same_bits(seed, tmp_path):
    check(seed, tmp_path)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 4))
    X[rng.random(X.shape) < 0.1] = np.nan
    return X, np.nan_to_num(X[:, 0]) + 0.5 * rng.standard_normal(400)


def test_estimators_answer_with_labels_and_stop_at_their_best(data):
    X, y = data
    common = {"n_estimators": 40, "n_jobs": 1, "learning_rate": 0.8, "early_stopping_rounds": 2}
    for target in ((y > 0).astype(int), np.digitize(y, [-0.3, 0.3])):
        model = xgboost.XGBClassifier(**common).fit(
            X[:200], target[:200], eval_set=[(X[200:], target[200:])], verbose=False
        )
        assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
        compiled = compile_model(model)
        assert_same(compiled.predict(X), model.predict(X), "labels")
        assert_same(compiled.predict_proba(X), model.predict_proba(X), "probabilities")
        assert compiled.predict_one(X[0]) == model.predict(X[:1])[0]
    model = xgboost.XGBRegressor(n_estimators=5, n_jobs=1).fit(X, y)
    assert_same(compile_model(model).predict(X), model.predict(X), "regression")
    forest = xgboost.XGBRFRegressor(n_estimators=9, n_jobs=1).fit(X, y)
    assert_same(compile_model(forest).predict(X), forest.predict(X), "random forest")


def test_what_is_not_read_is_named(data):
    X, y = data
    linear = xgboost.train({"booster": "gblinear", "nthread": 1}, xgboost.DMatrix(np.nan_to_num(X), y), 2)
    with pytest.raises(ModelError, match=r"gblinear.* has no trees"):
        compile_model(linear)
    labels = np.stack([y > 0, y > 0.5], axis=1).astype(int)
    several = xgboost.XGBClassifier(n_estimators=2, n_jobs=1).fit(X, labels)
    with pytest.raises(ModelError, match="several labels"):
        compile_model(several)


def test_damaged_files_are_refused(data, tmp_path):
    """Whatever byte is lost or changed: an error of ours, or a model that can be asked."""
    X, y = data
    booster = xgboost.train({"nthread": 1, "max_depth": 3}, xgboost.DMatrix(X, y), 3)
    rng = np.random.default_rng(0)
    for kind in ("json", "ubj"):
        whole = bytes(booster.save_raw(kind))
        for cut in (1, 5, len(whole) // 2, len(whole) - 1):
            (tmp_path / "m").write_bytes(whole[:cut])
            with pytest.raises(ModelError, match="/m: "):
                compile_model(tmp_path / "m")
        for _ in range(150):
            data_bytes = bytearray(whole)
            for at in rng.integers(2, len(whole), 3):
                data_bytes[at] = rng.integers(256)
            (tmp_path / "m").write_bytes(data_bytes)
            try:
                compiled = compile_model(tmp_path / "m")
            except ModelError:
                continue
            compiled.predict(np.zeros((3, compiled.n_features)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t["left_children"].__setitem__(0, 99), "child does not exist"),
        (lambda t: t["left_children"].__setitem__(0, 0), "two parents"),
        (lambda t: t["split_indices"].__setitem__(0, 99), "does not exist"),
        (lambda t: t["split_conditions"].__setitem__(0, None), "not a number"),
        (lambda t: t["split_conditions"].pop(), "different lengths"),
    ],
)
def test_forged_trees_are_refused(data, tmp_path, change, message):
    X, y = data
    booster = xgboost.train({"nthread": 1, "max_depth": 3}, xgboost.DMatrix(X, y), 2)
    document = json.loads(bytes(booster.save_raw("json")))
    change(document["learner"]["gradient_booster"]["model"]["trees"][0])
    (tmp_path / "m.json").write_text(json.dumps(document))
    with pytest.raises(ModelError, match=rf"m.json: XGBoost model.*{message}"):
        compile_model(tmp_path / "m.json")
