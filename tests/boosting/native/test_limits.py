"""Data at the edge: few rows, no features, one value, many categories, weights of zero; what cannot be is refused."""

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scalable.boosting.native.objective import Limits
from scalable.boosting.native.rows import NO_WEIGHT
from scalable.boosting.native.sampling import EVERYONE
from scalable.boosting.native.settings import Settings, unsupported
from scalable.errors import DataError, UsageError
from scalable.kernels.histogram.objectives import GIVEN, OBJECTIVE, extremes


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
    def custom(_iteration, scores):
        return np.full_like(scores, np.nan), np.ones_like(scores)

    with pytest.raises(DataError, match="iteration 0: a gradient or hessian is not finite"):
        grown(np.arange(100.0)[:, None], np.zeros(100), {"objective": "custom"}, custom=custom)


def test_a_custom_objective_is_the_same_as_its_name(grown, table):
    X, targets = table
    y = targets["regression"].astype(np.float32)

    def square(_iteration, scores):
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


def test_rows_are_looked_at_until_both_extremes_are_known_well_enough():
    objective = np.zeros(1, OBJECTIVE)
    objective["code"] = GIVEN
    given = np.full((2, 2000), 0.1, np.float32)
    given[0, 600], given[1, 900], given[:, 1990] = -0.75, 0.25, 0.875
    limits = Limits.of(np.array([1.0, 0.3]))
    np.testing.assert_array_equal(limits.enough, [0.5, 0.25])
    score, label = np.zeros(2000), np.zeros(2000, np.float32)

    def found(given, limits):
        return limits.largest(extremes(objective, score, label, NO_WEIGHT, EVERYONE, given, limits.enough))

    assert found(given, limits) == (1.0, 0.3)  # of neither it matters what it is exactly
    given[1, 900] = 0.26
    assert (
        extremes(objective, score, label, NO_WEIGHT, EVERYONE, given, limits.enough)[0] == 0.75
    )  # the last was not seen
    assert found(given, limits) == (1.0, 0.3)
    given[:, 1990] = given[0, 600] = 0.1
    assert found(given, limits) == (np.float32(0.1), 0.3)
    assert found(given, Limits.of(np.array([np.inf, np.inf]))) == (np.float32(0.1), np.float32(0.26))
    np.testing.assert_array_equal(Limits.of(np.array([2.0, 0.0])).enough, [1.0, 0.0])


def test_rows_that_can_be_told_apart_are_learned_to_the_last_digit(grown):
    """Losses near zero everywhere: gradients are rounded by the largest of the tree, not the largest there may be."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, (4000, 8)).astype(float)
    y = (X[:, 0] != X[:, 1]) & (X[:, 2] + X[:, 3] + X[:, 4] > 0)
    params = {
        "objective": "binary",
        "num_leaves": 31,
        "min_data_in_leaf": 5,
        "verbosity": -1,
        "num_threads": 1,
    }
    ours = grown(X, y.astype(float), params, iterations=150).booster.predict(X)
    theirs = lgb.train(params, lgb.Dataset(X, y.astype(float), params=params), 150).predict(X)
    losses = [-np.mean(np.log(np.where(y, p, 1 - p))) for p in (ours, theirs)]
    assert losses[1] < 1e-4
    assert losses[0] < 1.02 * losses[1]


def test_bags_by_class_are_of_two_classes_only_as_in_lightgbm(grown):
    X = np.random.default_rng(0).standard_normal((400, 2))
    params = {"objective": "regression", "num_leaves": 4}
    bags = params | {"bagging_freq": 1, "pos_bagging_fraction": 0.3}
    for found, expected in zip(grown(X, X[:, 0], bags).trees, grown(X, X[:, 0], params).trees, strict=True):
        np.testing.assert_array_equal(found.leaf_value, expected.leaf_value)


@pytest.mark.parametrize(
    "shares",
    [
        {"bagging_fraction": 0.1},
        {"bagging_fraction": 0.003},
        {"pos_bagging_fraction": 0.3, "neg_bagging_fraction": 0.2},
    ],
)
@pytest.mark.parametrize("boosting", ["gbdt", "rf"])
def test_bags_of_any_share_are_drawn_and_told(grown, shares, boosting):
    """LightGBM writes the model's parameters; of the few rows it is shown for that, such a bag would be empty."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((4000, 2))
    params = {"objective": "binary", "bagging_freq": 1, "min_data_in_leaf": 1, "boosting": boosting} | shares
    if boosting == "rf":
        params["feature_fraction"] = 0.9
    made = grown(X, X[:, 0] > 0, params, iterations=1)
    expected = 4000 * np.mean(list(shares.values()))
    found = made.booster.dump_model()["tree_info"][0]["tree_structure"]["internal_count"]
    assert abs(found - expected) < 5 * np.sqrt(expected)
    for name, share in shares.items():
        assert f"\n[{name}: {share:g}]\n" in made.booster.model_to_string()


@pytest.mark.parametrize("given", [False, "false", "-"])
@pytest.mark.parametrize(
    "objective", ["regression", "regression_l1", "quantile", "poisson", "binary", "multiclass"]
)
def test_without_an_average_to_start_from_it_is_as_in_lightgbm(grown, objective, given):
    """Absolute losses of labels of one sign split nothing at first; LightGBM then starts from the average after all."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((800, 3))
    y = X[:, 0] + 5 + 0.1 * rng.standard_normal(800)
    params = {"objective": objective, "num_leaves": 4, "boost_from_average": given}
    if objective in ("binary", "multiclass"):
        y = np.digitize(y, [5.0] if objective == "binary" else [4.5, 5.5])
        params |= {} if objective == "binary" else {"num_class": 3}
    splits = (
        [] if objective == "quantile" else [{}]
    )  # whose first splits follow the rounding of equal gradients
    for more in (*splits, {"min_data_in_leaf": 500}):  # which splits nothing whatever the loss
        made = grown(X, y, params | more, iterations=6)
        quiet = {"verbosity": -1, "num_threads": 1, "num_iterations": 6}
        theirs = lgb.train(params | more | quiet, lgb.Dataset(X, y))
        expected, found = (booster.predict(X, raw_score=True) for booster in (theirs, made.booster))
        np.testing.assert_allclose(made.scores, found, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(np.mean(found, axis=0), np.mean(expected, axis=0), rtol=0.05, atol=0.02)
