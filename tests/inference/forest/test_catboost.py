"""CatBoost's models compiled: its own bits, links included; what is not read is named."""

import json

import numpy as np
import pytest

from bench.forest_draws import catboost_forest, catboost_of_categories
from scalable.errors import ModelError
from scalable.inference import compile_model, load_compiled
from scalable.inference.forest.links import fast_exp


def assert_same(got, expected, what):
    got, expected = np.asarray(got), np.ascontiguousarray(expected)
    assert got.shape == expected.shape, what
    assert not (got != expected).any(), f"{what}: {(got != expected).sum()} of {got.size} differ"


def check(seed, tmp_path, draw=catboost_forest):
    pytest.importorskip("catboost", reason="catboost is not installed (extra `peers`)")
    model, X, what = draw(seed)
    compiled = compile_model(model)
    expected = model.predict(X)
    labelled = expected.dtype == object or expected.dtype.kind in "US"
    assert_same(compiled.predict(X), expected.ravel() if labelled else expected, what)
    scores = getattr(compiled, "scores", compiled)
    assert_same(scores.predict(X, raw_score=True), model.predict(X, prediction_type="RawFormulaVal"), what)
    if labelled:
        assert_same(compiled.predict_proba(X), model.predict_proba(X), what)
    matrix = np.asarray(X, np.float64)
    assert_same(scores.predict(matrix), scores.predict(X), what)
    assert_same([scores.predict_one(x) for x in matrix[:40]], scores.predict(matrix[:40]), what)
    model.save_model(str(tmp_path / "m.json"), format="json")
    assert_same(compile_model(tmp_path / "m.json").predict(X), compiled.predict(X), what)
    compiled.save(tmp_path / "m")
    assert_same(load_compiled(tmp_path / "m").predict(X), compiled.predict(X), what)


@pytest.mark.parametrize("seed", range(16))
def test_drawn_forest_has_the_same_bits(seed, tmp_path):
    check(seed, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(16, 150))
def test_another_drawn_forest_has_the_same_bits(seed, tmp_path):
    check(seed, tmp_path)


@pytest.mark.parametrize("seed", range(8))
def test_drawn_categories_have_the_same_bits(seed, tmp_path):
    check(seed, tmp_path, catboost_of_categories)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8, 50))
def test_more_drawn_categories_have_the_same_bits(seed, tmp_path):
    check(seed, tmp_path, catboost_of_categories)


def small():
    """A model of one symmetric tree, as the library writes it."""
    feature = {"borders": [0.5], "feature_id": "a", "feature_index": 0, "flat_feature_index": 0, "has_nans": True,
               "nan_value_treatment": "AsTrue"}  # fmt: skip
    split = {"border": 0.5, "float_feature_index": 0, "split_index": 0, "split_type": "FloatFeature"}
    tree = {"leaf_values": [1.0, 2.0], "leaf_weights": [3, 4], "splits": [split]}
    params = json.dumps({"loss_function": {"type": "RMSE"}})
    return {"features_info": {"float_features": [feature]}, "model_info": {"params": params},
            "oblivious_trees": [tree], "scale_and_bias": [1, [0.25]]}  # fmt: skip


def one_hot(document, value):
    """Let the tree of `small` ask whether a category is one that has a hash."""
    city = {"feature_id": "city", "feature_index": 0, "flat_feature_index": 1, "values": [value]}
    document["features_info"]["categorical_features"] = [city]
    split = {"cat_feature_index": 0, "split_index": 0, "split_type": "OneHotFeature", "value": value}
    document["oblivious_trees"][0]["splits"] = [split]


def test_categories_are_found_by_their_hashes():
    document = small()
    one_hot(document, -788814098)  # as the library hashes 4500
    forest = compile_model(json.dumps(document, indent=1))
    assert forest.feature_names == ["a", "city"]
    rows = np.array([[0.0, 4500], [0.0, 4501], [0.0, np.nan], [0.0, -1]])
    assert forest.predict(rows).tolist() == [2.25, 1.25, 1.25, 1.25]


def test_a_file_is_read_without_the_library():
    forest = compile_model(json.dumps(small(), indent=1))
    assert forest.predict(np.array([[0.5], [0.6], [np.nan]])).tolist() == [1.25, 2.25, 2.25]
    assert forest.forest.trees.leaf_cover.tolist() == [3, 4, 0]
    assert forest.feature_names == ["a"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["features_info"].update(ctrs=[{}]), "has ctrs"),
        (lambda d: one_hot(d, 5), "a category of 'city' is no whole number from 0 to 65,535"),
        (lambda d: d.update(scale_and_bias=[2, [0]]), "its scale is 2"),
        (lambda d: d["model_info"].update(params='{"loss_function": {"type": "Odd"}}'), "loss 'Odd'"),
        (lambda d: d["oblivious_trees"][0]["splits"][0].update(split_type="OnlineCtr"), "OnlineCtr"),
        (lambda d: d["oblivious_trees"][0].update(leaf_values=[1.0, 2.0, 3.0]), "damaged"),
        (lambda d: d["oblivious_trees"][0]["splits"][0].update(float_feature_index=7), "damaged"),
        (lambda d: d["oblivious_trees"][0].update(leaf_weights=[1]), "weights"),
        (lambda d: d["model_info"].update(class_params={"class_names": [[], 1]}), "classes"),
        (lambda d: d["model_info"].update(class_params={"class_names": [1, "a"]}), "classes"),
        (lambda d: d["model_info"].update(class_params={"class_names": []}), "classes"),
    ],
)
def test_what_is_not_read_is_named(change, message):
    document = small()
    change(document)
    with pytest.raises(ModelError, match=f"CatBoost model: .*{message}"):
        compile_model(json.dumps(document, indent=1))


def test_the_exponential_is_close_to_exact():
    x = np.r_[np.random.default_rng(0).uniform(-708, 709, 5000), 0.0]
    np.testing.assert_allclose(fast_exp(x), np.exp(x), rtol=2e-13)
    np.testing.assert_allclose(fast_exp(x / 500), np.exp(x / 500), rtol=1e-15)
    assert fast_exp(np.array([-800.0, 800.0])).tolist() == [0.0, np.inf]
