"""Bounds of parameters, held against what LightGBM itself refuses."""

import lightgbm as lgb
import numpy as np
import pytest

from scalable.boosting import LGBMClassifier, LGBMRegressor
from scalable.boosting.params import resolve
from scalable.boosting.training.bounds import BOUNDS, WHOLE, check_bounds
from scalable.errors import DataError, UsageError

CASES = [(name, relation, bound) for name, bounds in BOUNDS.items() for relation, bound in bounds]


def refused_by_lightgbm(name, value):
    data = lgb.Dataset(np.arange(60.0).reshape(-1, 1), np.arange(60.0) % 2)
    params = {name: value, "num_threads": 1, "verbosity": -1, "objective": "binary"}
    try:
        lgb.Booster(params, data)
    except lgb.basic.LightGBMError:
        return True
    return False


@pytest.mark.parametrize(("name", "relation", "bound"), CASES)
def test_the_last_number_within_a_bound_and_the_first_beyond_are_lightgbms(name, relation, bound):
    step = 1 if name in WHOLE else 0.01
    outside = {"above": bound, "at least": bound - step, "below": bound, "at most": bound + step}[relation]
    inside = {"above": bound + step, "at least": bound, "below": bound - step, "at most": bound}[relation]
    if name in WHOLE:
        outside, inside = int(outside), int(inside)
    assert refused_by_lightgbm(name, outside)
    assert not refused_by_lightgbm(name, inside)
    check_bounds({name: inside})
    with pytest.raises(UsageError, match=rf"{name} must be .*{relation} {bound:g}.*, not "):
        resolve({name: outside}, 2)


@pytest.mark.parametrize("name", WHOLE)
def test_fractions_of_whole_numbers_and_words_are_refused(name):
    for value in (2.5, 7.0, "many", float("nan")):
        assert refused_by_lightgbm(name, value)
        with pytest.raises(UsageError, match=f"{name} must be a whole number"):
            check_bounds({name: value})
    for value in (7, "7", np.int64(7)):
        check_bounds({name: value})


def test_users_see_one_line_before_rows_are_read():
    with pytest.raises(
        UsageError, match="num_leaves must be a whole number above 1 and at most 131072, not 1"
    ):
        LGBMClassifier(num_leaves=1).fit(np.zeros((9, 1)), np.arange(9) % 2)
    with pytest.raises(UsageError, match="learning_rate must be a number, not 'a'"):
        LGBMClassifier(learning_rate="a").fit(np.zeros((9, 1)), np.arange(9) % 2)


CLASSES = {"objective": "binary"}
BAGS = {"bagging_freq": 1, "bagging_fraction": 0.5}
TOGETHER = [  # what LightGBM refuses, and what is near it and taken
    ({"objective": "quantile", "monotone_constraints": [1]}, {"objective": "huber", "monotone_constraints": [1]}),
    ({"objective": "mae", "monotone_constraints": [0]}, {"objective": "mae"}),
    (CLASSES | {"is_unbalance": True, "scale_pos_weight": 3.0}, CLASSES | {"is_unbalance": True}),
    ({"boosting": "goss", **BAGS}, {"boosting": "goss", "bagging_freq": 1}),
    ({"data_sample_strategy": "goss", **BAGS}, {"data_sample_strategy": "goss", "bagging_fraction": 0.5}),
    ({"boosting": "goss", "top_rate": 0.8, "other_rate": 0.3}, {"boosting": "goss", "top_rate": 0.8}),
    ({"boosting": "rf"}, {"boosting": "rf", **BAGS}),
    ({"boosting": "rf", "bagging_fraction": 0.5}, {"boosting": "rf", "feature_fraction": 0.5}),
    ({"boosting": "random_forest", "bagging_freq": 1, "pos_bagging_fraction": 0.5}, {"boosting": "rf", **BAGS}),
    ({"objective": "regression", "num_class": 3}, {"objective": "regression", "num_class": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("refused", "taken"), TOGETHER, ids=str)
def test_what_lightgbm_does_not_take_together_is_named_before_a_row_is_read(refused, taken):
    assert refused_by_lightgbm_of(refused)
    with pytest.raises(UsageError, match="LightGBM does not take"):
        resolve(refused, None)
    assert not refused_by_lightgbm_of(taken)
    resolve(taken, None)


def refused_by_lightgbm_of(params):
    data = lgb.Dataset(np.arange(120.0).reshape(-1, 1), np.arange(120.0) % 2)
    try:
        lgb.train({"num_threads": 1, "verbosity": -1, "num_iterations": 1, **params}, data)
    except lgb.basic.LightGBMError:
        return True
    return False


@pytest.mark.parametrize(
    ("objective", "label", "words"),
    [
        ("poisson", -1.0, "not negative"),
        ("gamma", -2.0, "not negative"),
        ("xentropy", 1.5, "between 0 and 1"),
    ],
)
def test_labels_without_a_loss_are_named_whoever_grows_the_trees(objective, label, words):
    X, y = np.arange(60.0)[:, None], np.linspace(0.1, 0.9, 60)
    y[7] = label
    with pytest.raises(DataError, match=f"needs labels {words}; they lie between"):
        LGBMRegressor(objective=objective, engine="lightgbm").fit(X, y)


def test_a_random_forest_has_no_scores_to_start_from():
    model = LGBMRegressor(boosting="rf", subsample=0.5, subsample_freq=1)
    with pytest.raises(UsageError, match="takes no init_score"):
        model.fit(np.arange(60.0)[:, None], np.arange(60.0), init_score=np.zeros(60))
