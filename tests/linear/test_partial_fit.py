"""``partial_fit`` learns of columns that do not vary at first, or says that it will not."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from scalable.errors import DataWarning, UsageError
from scalable.linear import SGDClassifier, SGDRegressor

RNG = np.random.default_rng(3)
X = RNG.normal(size=(20_000, 2))
Y = X @ [1.0, -2.0] + 0.1 * RNG.normal(size=20_000)


def parts(X, Y, first, size=2000):
    edges = [0, *range(first, len(X), size), len(X)]
    return [(X[a:b], Y[a:b]) for a, b in pairwise(edges)]


@pytest.mark.parametrize("first", [1, 2, 500])
def test_a_column_that_varies_later_is_learned(first):
    Z = X.copy()
    Z[:first, 1] = 7.0
    model = SGDRegressor(alpha=0.0)
    for x, y in parts(Z, Y, first):
        model.partial_fit(x, y)
    np.testing.assert_allclose(model.coef_, [1.0, -2.0], atol=0.05)
    assert model.n_iter_ == len(parts(Z, Y, first))


def test_many_parts_of_one_row():
    model = SGDClassifier("log_loss")
    for i in range(40):
        model.partial_fit(X[i : i + 1], Y[i : i + 1] > 0, classes=[False, True])
    for x, y in parts(X[40:], Y[40:], 1000):
        model.partial_fit(x, y > 0)
    assert model.score(X, Y > 0) > 0.97


def test_kept_parts_are_copies():
    buffer, target = np.empty((100, 2)), np.empty(100)
    buffer[:], target[:] = X[:100], Y[:100]
    buffer[:, 1] = 0.0
    reused, kept = SGDRegressor(), SGDRegressor()
    reused.partial_fit(buffer, target)
    kept.partial_fit(buffer.copy(), target.copy())
    buffer[:], target[:] = X[100:200], Y[100:200]
    np.testing.assert_array_equal(
        reused.partial_fit(buffer, target).coef_, kept.partial_fit(buffer.copy(), target.copy()).coef_
    )


def test_what_will_be_left_out_is_named():
    Z = X.copy()
    Z[:, 1] = 7.0
    model = SGDRegressor()
    model.partial_fit(Z[:3000], Y[:3000])
    with pytest.warns(DataWarning, match="'x1' did not vary in the first 6,000 rows"):
        model.partial_fit(Z[3000:6000], Y[3000:6000])
    model.partial_fit(X[6000:], Y[6000:])  # said once
    with pytest.warns(DataWarning, match="'x1' did not vary in the first 20,000 rows"):
        SGDRegressor().partial_fit(Z, Y)


@pytest.mark.parametrize("first", [1, 500])
def test_a_target_that_varies_later_is_learned_in_its_own_units(first):
    model, y = SGDRegressor(alpha=0.0), np.where(np.arange(len(Y)) < first, 0.0, 1e6 * Y)
    for x, part in parts(X, y, first):
        model.partial_fit(x, part)
    np.testing.assert_allclose(model.coef_, [1e6, -2e6], rtol=0.05)


def test_a_target_that_does_not_vary_is_told():
    with pytest.warns(DataWarning, match="the target did not vary in the first 6,000 rows"):
        SGDRegressor().partial_fit(X[:6000], np.zeros(6000))


def test_targets_far_from_the_units_of_the_first_part_are_told_once():
    model = SGDRegressor().partial_fit(X[:2000], 1e-6 * Y[:2000])
    with pytest.warns(DataWarning, match="lie 1,.* deviations of the first part's from its mean"):
        model.partial_fit(X[2000:4000], Y[2000:4000])
    model.partial_fit(X[4000:6000], Y[4000:6000])


def test_a_fit_is_not_gone_on_from(tmp_path):
    model = SGDRegressor().fit(X, Y)
    model.save(tmp_path / "m")
    for fitted in (model, SGDRegressor.load(tmp_path / "m")):
        with pytest.warns(DataWarning, match="partial_fit begins anew with these rows"):
            fitted.partial_fit(X[:500], Y[:500])
        fitted.partial_fit(X[500:1000], Y[500:1000])


@pytest.mark.parametrize("wrong", [{"l1_ratio": 2.0, "penalty": "elasticnet"}, {"alpha": "1"}])
def test_strengths_that_mean_nothing_are_refused(wrong):
    with pytest.raises(UsageError, match=f"{next(iter(wrong))} must"):
        SGDRegressor(**wrong).fit(X, Y)
