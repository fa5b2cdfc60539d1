"""Compiled forests return LightGBM's bits: random models, edge rows, every argument of `predict`."""

import os

import lightgbm as lgb
import numpy as np
import pytest

from bench.forests import edge_rows, random_booster, random_data
from scalable.inference import compile_model
from scalable.inference.forest import decisions

SEED = int(os.environ.get("SCALABLE_TEST_SEED", np.random.SeedSequence().entropy % 1_000_000))


def assert_same_bits(got, expected, what):
    assert got.dtype == expected.dtype, what
    assert got.shape == expected.shape, what
    differ = np.flatnonzero(
        (got.view(f"i{got.itemsize}") != expected.view(f"i{got.itemsize}")).reshape(len(got), -1).any(1)
    )
    assert not differ.size, (
        f"{what}: {differ.size} of {len(got)} rows differ, first {differ[0]}: {got[differ[0]]}"
    )


def check(seed):
    booster, what = random_booster(seed)
    what = f"SCALABLE_TEST_SEED={SEED}: {what}"
    compiled = compile_model(booster)
    X = edge_rows(booster, seed)
    with np.errstate(over="ignore"):
        narrow = X.astype(np.float32)
    total = booster.current_iteration()
    for rows in (X, narrow, np.asfortranarray(X), X[::-2]):
        assert_same_bits(compiled.predict(rows), booster.predict(rows), what)
    variants = (
        {"raw_score": True},
        {"num_iteration": max(1, total // 2)},
        {"start_iteration": total // 3, "num_iteration": max(1, total // 3)},
        {"pred_leaf": True},
        {"pred_early_stop": True, "pred_early_stop_freq": 2, "pred_early_stop_margin": 0.4},
    )
    for arguments in variants:
        assert_same_bits(
            compiled.predict(X, **arguments), booster.predict(X, **arguments), f"{what} {arguments}"
        )
    for raw in (False, True):
        one = np.array([compiled.predict_one(x, raw_score=raw) for x in X[-150:]])
        assert_same_bits(one, booster.predict(X[-150:], raw_score=raw), f"{what} one row, raw={raw}")


@pytest.mark.parametrize("index", range(20))
def test_random_model_has_the_same_bits(index):
    check(SEED + index)


@pytest.mark.slow
@pytest.mark.parametrize("index", range(20, 200))
def test_another_random_model_has_the_same_bits(index):
    check(SEED + index)


def test_threads_do_not_change_bits():
    booster, _ = random_booster(1)
    X = random_data(np.random.default_rng(0), 13_000, booster.num_feature())[0]
    compiled = compile_model(booster)
    for threads in (2, 3):
        assert_same_bits(compiled.predict(X, n_threads=threads), compiled.predict(X), f"{threads} threads")


@pytest.mark.parametrize("leaves", [2, 129, 256, 257, 1500, 4095])
def test_trees_of_many_leaves(leaves):
    rng = np.random.default_rng(leaves)
    X = rng.standard_normal((6000, 3))
    params = {
        "num_leaves": leaves,
        "min_data_in_leaf": 1,
        "max_bin": 5000,
        "num_threads": 1,
        "verbose": -1,
        "min_sum_hessian_in_leaf": 0,
    }
    booster = lgb.train(params, lgb.Dataset(X, rng.standard_normal(6000), params={"verbose": -1}), 6)
    probes = edge_rows(booster, leaves)
    compiled = compile_model(booster)
    assert_same_bits(compiled.predict(probes), booster.predict(probes), str(leaves))
    one = np.array([compiled.predict_one(x) for x in probes[-100:]])
    assert_same_bits(one, booster.predict(probes[-100:]), f"one row, {leaves}")


def test_more_thresholds_than_one_column_of_ranks_holds():
    rng = np.random.default_rng(5)
    X = rng.standard_normal((20_000, 1))
    params = {
        "num_leaves": 2500, "min_data_in_leaf": 1, "max_bin": 20_000, "num_threads": 1, "verbose": -1,
        "min_sum_hessian_in_leaf": 0, "bagging_fraction": 0.6, "bagging_freq": 1,
    }  # fmt: skip
    booster = lgb.train(params, lgb.Dataset(X, rng.standard_normal(20_000), params={"verbose": -1}), 8)
    probes = edge_rows(booster, 3)
    compiled = compile_model(booster)
    assert len(compiled.programs.decisions.columns) > 1
    assert_same_bits(compiled.predict(probes), booster.predict(probes), "many thresholds")


@pytest.mark.parametrize("levels", [1, 8, 9, 60, 248, 249, 600])
def test_sets_of_few_and_many_categories(levels, monkeypatch):
    """Tabulated unions and transposed signatures are the same planes, and LightGBM's."""
    rng = np.random.default_rng(levels)
    X = np.stack([rng.integers(0, levels, 4000), rng.integers(0, 3, 4000)], axis=1).astype(float)
    y = rng.standard_normal(levels)[X[:, 0].astype(int)] + X[:, 1]
    params = {
        "verbose": -1,
        "num_threads": 1,
        "min_data_per_group": 1,
        "cat_smooth": 0.1,
        "min_data_in_leaf": 1,
    }
    data = lgb.Dataset(X, y, categorical_feature=[0, 1], params={"verbose": -1})
    booster = lgb.train(params | {"max_cat_threshold": 300, "max_cat_to_onehot": 1}, data, 12)
    probes = np.r_[X[:600], [[np.nan, 1.0], [-1.0, 2.0], [levels, 0.0], [1e9, np.nan], [0.9, -0.5]]]
    compiled = compile_model(booster)
    assert_same_bits(compiled.predict(probes), booster.predict(probes), "tabulated where few")
    monkeypatch.setattr(decisions, "MAX_TABULATED", 0)
    transposed = compile_model(booster)
    assert not transposed.programs.decisions.masks.size
    assert_same_bits(transposed.predict(probes), booster.predict(probes), "transposed")


def test_best_iteration_is_the_default_range():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 4))
    y = X[:, 0] + rng.standard_normal(400)
    quiet = {"verbose": -1, "num_threads": 1}
    data = lgb.Dataset(X[:200], y[:200], params=quiet)
    booster = lgb.train(
        quiet | {"learning_rate": 0.3},
        data,
        60,
        valid_sets=[lgb.Dataset(X[200:], y[200:], reference=data, params=quiet)],
        callbacks=[lgb.early_stopping(3, verbose=False)],
        keep_training_booster=True,
    )
    assert booster.best_iteration < booster.current_iteration()
    compiled = compile_model(booster)
    assert_same_bits(compiled.predict(X), booster.predict(X), "best iteration")
    assert_same_bits(
        compiled.predict(X, num_iteration=-1), booster.predict(X, num_iteration=-1), "all iterations"
    )
    assert_same_bits(compiled.predict(X, start_iteration=2), booster.predict(X, start_iteration=2), "from 2")


def test_no_trees_of_a_random_forest_average_to_what_lightgbm_says():
    X = np.random.default_rng(0).standard_normal((200, 3))
    bags = {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5, "verbose": -1, "num_threads": 1}
    booster = lgb.train(bags | {"objective": "binary"}, lgb.Dataset(X, X[:, 0] > 0), 3)
    for how in ({"start_iteration": 3}, {"start_iteration": 9, "raw_score": True}, {"start_iteration": 2}):
        assert_same_bits(compile_model(booster).predict(X, **how), booster.predict(X, **how), str(how))


def test_leaves_that_are_not_a_number():
    """Random forests of rankers can have them; even the NaN's sign is LightGBM's."""
    booster, what = random_booster(575457)
    X = edge_rows(booster, 0, 20, 20)
    expected = booster.predict(X)
    assert np.isnan(expected).all()
    assert_same_bits(compile_model(booster).predict(X), expected, what)
    one = np.array([compile_model(booster).predict_one(x) for x in X])
    assert_same_bits(one, expected, what)


def test_a_compiled_forest_says_what_it_is():
    booster, _ = random_booster(1)
    text = repr(compile_model(booster))
    assert f"{booster.num_trees()} trees" in text
    assert f"{booster.num_feature()} features" in text
