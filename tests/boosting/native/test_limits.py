"""Data at the edge: few rows, no features, one value, many categories, weights of zero; what cannot be is refused."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scalable.boosting.native.settings import Settings, unsupported
from scalable.errors import DataError, UsageError


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    n=st.integers(1, 300),
    seed=st.integers(0, 1000),
    leaves=st.integers(2, 40),
    weighted=st.booleans(),
    missing=st.sampled_from([0.0, 0.5, 1.0]),
    least=st.integers(0, 30),
    objective=st.sampled_from(["binary", "regression"]),
)
def test_any_data_gives_a_model_that_predicts_its_own_scores(
    grown, n, seed, leaves, weighted, missing, least, objective
):
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.normal(size=n), rng.integers(0, 5, n), np.zeros(n), rng.integers(0, 2, n)])
    X[rng.random(n) < missing, 0] = np.nan
    y = (rng.random(n) < 0.4).astype(float)
    weight = rng.integers(0, 3, n) if weighted else None
    params = {"objective": objective, "num_leaves": leaves, "min_data_in_leaf": least, "min_data_in_bin": 1}
    if weight is not None and not weight.any():
        return
    model = grown(X, y, params, weight=weight, categorical=(1,), iterations=2, threads=2)
    np.testing.assert_array_equal(model.booster.predict(X, raw_score=True), model.scores)
    assert np.isfinite(model.scores).all()
    for tree in model.trees:
        assert tree.n_leaves <= leaves
        exact = (
            objective == "regression" and not weighted
        )  # else rows count by their hessians, as in LightGBM
        assert tree.leaf_count.min() >= ((least if exact else min(1, least)) if tree.n_leaves > 1 else 0)
        assert tree.leaf_count.sum() == n


def test_weights_are_repeated_rows(grown):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 20, (600, 3)).astype(float)
    y = X[:, 0] * X[:, 1] / 50 + rng.normal(size=600)
    weight = rng.integers(1, 4, 600)
    params = {
        "objective": "regression",
        "min_data_in_leaf": 1,
        "min_sum_hessian_in_leaf": 30.0,
        "num_leaves": 8,
    }
    weighted = grown(X, y, params, weight=weight, iterations=3)
    rows = np.repeat(np.arange(600), weight)
    repeated = grown(X[rows], y[rows], params, iterations=3)
    np.testing.assert_allclose(weighted.booster.predict(X), repeated.booster.predict(X), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("n_categories", [3, 300, 3000])
def test_many_categories(grown, n_categories):
    rng = np.random.default_rng(0)
    n = 20 * n_categories
    code = rng.permutation(np.repeat(np.arange(n_categories), 20))
    effect = rng.normal(size=n_categories)
    y = effect[code] + 0.1 * rng.normal(size=n)
    params = {"objective": "regression", "max_bin": n_categories + 1, "min_data_per_group": 1, "cat_smooth": 1.0,
              "cat_l2": 0.0, "max_cat_threshold": n_categories, "learning_rate": 1.0}  # fmt: skip
    model = grown(code[:, None], y, params, categorical=(0,), iterations=1)
    predicted = model.booster.predict(code[:, None])
    np.testing.assert_array_equal(predicted, model.scores)
    assert np.corrcoef(predicted, effect[code])[0, 1] > 0.99
    unseen = model.booster.predict(np.array([[n_categories + 5.0], [np.nan], [-1.0]]))
    assert len(set(unseen)) == 1


def test_a_feature_of_one_value_is_not_used_and_none_gives_the_mean(grown):
    y = np.array([0.0, 1.0, 1.0, 1.0])
    model = grown(np.zeros((4, 2)), y, {"objective": "binary"}, iterations=2)
    np.testing.assert_allclose(model.booster.predict(np.zeros((1, 2))), [0.75])


@pytest.mark.parametrize(
    ("objective", "labels"), [("gamma", [0.0, 1.0]), ("poisson", [-1.0, 1.0]), ("cross_entropy", [0.5, 1.5])]
)
def test_labels_that_an_objective_has_no_loss_for(grown, objective, labels):
    with pytest.raises(DataError, match=f"'{objective}' needs labels"):
        grown(np.arange(2.0)[:, None], labels, {"objective": objective, "min_data_in_bin": 1})


def test_gradients_that_are_not_finite_are_told(grown):
    def custom(scores):
        return np.full_like(scores, np.nan), np.ones_like(scores)

    with pytest.raises(DataError, match="iteration 0: a gradient or hessian is not finite"):
        grown(np.arange(100.0)[:, None], np.zeros(100), {"objective": "custom"}, custom=custom)


def test_a_custom_objective_is_the_same_as_its_name(grown, table):
    X, targets = table
    y = targets["regression"].astype(np.float32)

    def square(scores):
        return scores - y, np.ones_like(scores)

    params = {"num_leaves": 7, "boost_from_average": False}
    custom = grown(X, y, params | {"objective": "custom"}, custom=square, iterations=3, threads=2)
    named = grown(X, y, params | {"objective": "regression"}, iterations=3)
    np.testing.assert_allclose(custom.scores, named.scores, rtol=1e-3, atol=1e-3)


def test_what_is_not_supported_is_named():
    assert unsupported({"objective": "binary", "num_leaves": 5, "max_bin": 63, "linear_tree": False}) == []
    given = {"objective": "mape", "boosting": "dart", "linear_tree": True, "cegb_tradeoff": 2.0, "no_such": 1}
    assert unsupported(given) == [
        "objective='mape'", "boosting='dart'", "linear_tree=True", "cegb_tradeoff=2.0", "no_such=1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"num_leaves": 1}, "num_leaves must lie between"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0"),
        ({"bagging_fraction": 0.0}, r"bagging_fraction must lie in \(0, 1\]"),
        ({"lambda_l1": -1.0}, "lambda_l1 must be at least 0"),
        ({"boosting": "rf"}, "one tree many times"),
        ({"boosting": "goss", "bagging_freq": 1, "bagging_fraction": 0.5}, "goss draws the rows itself"),
        ({"data_sample_strategy": "goss", "top_rate": 0.8, "other_rate": 0.3}, "add up to at most 1"),
    ],
)
def test_values_without_a_meaning_are_refused(values, words):
    with pytest.raises(UsageError, match=words):
        Settings.of(values)
