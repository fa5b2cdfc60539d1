"""Bounds of parameters, held against what LightGBM itself refuses."""

import lightgbm as lgb
import numpy as np
import pytest

from scalable.boosting import LGBMClassifier
from scalable.boosting.params import resolve
from scalable.boosting.training.bounds import BOUNDS, WHOLE, check_bounds
from scalable.errors import UsageError

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
    with pytest.raises(UsageError, match="learning_rate must be a number above 0, not 'a'"):
        LGBMClassifier(learning_rate="a").fit(np.zeros((9, 1)), np.arange(9) % 2)
