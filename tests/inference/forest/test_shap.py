"""SHAP values: LightGBM's own, those of the definition on small trees, and sums that are the score."""

import itertools
import math

import lightgbm as lgb
import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier

from bench.forests import edge_rows, random_booster
from scalable.errors import ModelError
from scalable.inference import compile_model, load_compiled
from scalable.inference.forest.trees import select


@pytest.mark.parametrize("seed", [0, 2, 4, 8, 9, 11, 12, 17, 24, 39])
def test_contributions_are_lightgbm_s(seed):
    booster, what = random_booster(seed)
    X = edge_rows(booster, seed, 40, 60)
    expected = booster.predict(X, pred_contrib=True)
    compiled = compile_model(booster)
    got = compiled.predict(X, pred_contrib=True)
    assert got.shape == expected.shape, what
    size = np.maximum(np.abs(expected).sum(axis=1, keepdims=True), 1e-300)
    assert (np.abs(got - expected) <= 1e-9 * size).all(), what
    for n in (1, 9):  # few rows go in narrower vectors
        np.testing.assert_allclose(compiled.predict(X[:n], pred_contrib=True), got[:n], rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", [2, 9])
def test_blocks_of_any_size_have_the_same_bits(seed):
    booster, _ = random_booster(seed)
    X = np.tile(edge_rows(booster, seed, 40, 60), (16, 1))[:1300]
    compiled = compile_model(booster)
    got = compiled.predict(X, pred_contrib=True)
    for n in (13, 16, 17, 100, 1024, 1025):
        np.testing.assert_array_equal(compiled.predict(X[:n], pred_contrib=True), got[:n])
    for start in (1, 500, 1280):
        np.testing.assert_array_equal(compiled.predict(X[start:], pred_contrib=True), got[start:])


def of_definition(trees, x, n_features):
    """Shapley values of one tree's conditional expectation, by all orders of the features."""

    def value(known, node=0):
        if node < 0:
            return trees.leaf_value[~node, 0]
        left, right = int(trees.left[node]), int(trees.right[node])
        if trees.feature[node] in known:
            return value(known, left if x[trees.feature[node]] <= trees.threshold[node] else right)

        def cover(child):
            return trees.node_cover[child] if child >= 0 else trees.leaf_cover[~child]

        return (cover(left) * value(known, left) + cover(right) * value(known, right)) / trees.node_cover[
            node
        ]

    phi = np.zeros(n_features + 1)
    for order in itertools.permutations(range(n_features)):
        for k, feature in enumerate(order):
            phi[feature] += value({*order[:k], feature}) - value(set(order[:k]))
    phi /= math.factorial(n_features)
    phi[-1] = value(set())
    return phi


def test_contributions_are_those_of_the_definition():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((500, 4))
    y = X[:, 0] * X[:, 1] + np.sin(3 * X[:, 2]) + X[:, 3]
    booster = lgb.train({"num_leaves": 24, "verbose": -1, "num_threads": 1}, lgb.Dataset(X, y), 3)
    compiled = compile_model(booster)
    for x in X[:5]:
        got = compiled.predict(x, pred_contrib=True)[0]
        expected = sum(of_definition(select(compiled.forest.trees, t, t + 1), x, 4) for t in range(3))
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-14)


def test_contributions_add_up_to_the_score(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 5)).astype(np.float32)
    y = np.digitize(X[:, 0] * X[:, 1], [-0.3, 0.3])
    for model in (
        RandomForestClassifier(7, max_depth=6, random_state=0).fit(X, y),
        GradientBoostingClassifier(n_estimators=4, random_state=0).fit(X, y),
    ):
        scores = compile_model(model).scores
        parts = scores.predict(X, pred_contrib=True).reshape(len(X), 3, 6)
        averaged = model.predict_proba(X) if hasattr(model, "oob_score") else model.decision_function(X)
        np.testing.assert_allclose(parts.sum(axis=2), averaged, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(parts[0, :, -1], parts[-1, :, -1])
        scores.save(tmp_path / "m")
        again = load_compiled(tmp_path / "m").predict(X, pred_contrib=True)
        np.testing.assert_array_equal(again.reshape(parts.shape), parts)


def test_ranges_threads_and_what_cannot_be_explained():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((6000, 3))
    quiet = {"verbose": -1, "num_threads": 1}
    booster = lgb.train(quiet, lgb.Dataset(X, X[:, 0]), 6)
    compiled = compile_model(booster)
    few = compiled.predict(X[:50], pred_contrib=True, num_iteration=2)
    np.testing.assert_allclose(few, booster.predict(X[:50], pred_contrib=True, num_iteration=2), atol=1e-12)
    one, two = (compiled.predict(X, pred_contrib=True, n_threads=n) for n in (1, 2))
    np.testing.assert_array_equal(one, two)
    linear = lgb.train(quiet | {"linear_tree": True}, lgb.Dataset(X, X[:, 0]), 2)
    with pytest.raises(ModelError, match="linear models"):
        compile_model(linear).predict(X, pred_contrib=True)
    text = booster.model_to_string()
    old = "\n".join(
        line for line in text.split("\n") if not line.startswith(("internal_count", "tree_sizes"))
    )
    with pytest.raises(ModelError, match="how many rows"):
        compile_model(old).predict(X, pred_contrib=True)
