"""Regression metrics against scikit-learn and against numbers that punish careless sums."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from scalable.errors import DataError
from scalable.evaluate import RegressionMetrics, evaluate_predictions

reduction = RegressionMetrics()


def draw(n=3_000, seed=0):
    random = np.random.default_rng(seed)
    y = random.gamma(2.0, 3.0, n)
    return y, y * random.uniform(0.5, 1.5, n) + 0.1, random.integers(0, 3, n) / 2


@pytest.mark.parametrize("weighted", [False, True])
def test_agrees_with_scikit_learn(weighted):
    y, p, w = draw()
    w = w if weighted else None
    report = evaluate_predictions(y, p, w, kind="regression")
    assert report["mse"] == pytest.approx(sk.mean_squared_error(y, p, sample_weight=w), rel=1e-12)
    assert report["rmse"] == pytest.approx(sk.root_mean_squared_error(y, p, sample_weight=w), rel=1e-12)
    assert report["mae"] == pytest.approx(sk.mean_absolute_error(y, p, sample_weight=w), rel=1e-12)
    assert report["r2"] == pytest.approx(sk.r2_score(y, p, sample_weight=w), rel=1e-12)
    deviance = sk.mean_poisson_deviance(y, p, sample_weight=w)
    assert report["poisson_deviance"] == pytest.approx(deviance, rel=1e-11)
    used = slice(None) if w is None else w > 0
    assert report["max_error"] == sk.max_error(y[used], p[used])
    assert report["mean_error"] == pytest.approx(np.average(p - y, weights=w), rel=1e-10)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8), st.sampled_from([0.0, 1e9, -1e12]))
def test_any_split_far_from_zero_keeps_the_variance(lengths, offset):
    y, p, w = draw(sum(lengths) + 3)
    y, p, w = y + offset, p + offset, w + 0.5
    ends = np.cumsum([0, *lengths, 3])
    state = reduction.init()
    for a, b in itertools.pairwise(ends):
        state = reduction.merge(state, reduction.step(reduction.init(), y[a:b], p[a:b], w[a:b]))
    report = reduction.finish(state)
    assert report.rows == y.size
    tolerance = 1e-9 + 16 * np.spacing(abs(offset))  # what is lost is digits of the mean, never their square
    assert report.r2 == pytest.approx(sk.r2_score(y, p, sample_weight=w), rel=tolerance, abs=tolerance)
    mean = np.average(y - offset, weights=w)
    assert report.target_variance == pytest.approx(
        np.average((y - offset - mean) ** 2, weights=w), rel=tolerance
    )


def test_a_constant_target_has_no_r2():
    report = evaluate_predictions([3.0, 3.0], [2.0, 4.0], kind="regression")
    assert report["r2"] is None
    assert report["mse"] == 1.0


@pytest.mark.parametrize(("y", "p"), [([-1.0, 2.0], [1.0, 2.0]), ([1.0, 2.0], [0.0, 2.0])])
def test_poisson_deviance_is_left_out_of_its_domain(y, p):
    assert evaluate_predictions(y, p, kind="regression")["poisson_deviance"] is None


@pytest.mark.parametrize(
    ("y", "p", "w", "found"),
    [
        ([0, np.nan], [0, 0], None, "row 1 .* finite target"),
        ([0, 1], [0, np.inf], None, "row 1"),
        ([0, 1], [0, 1], [0, 0], "none of positive weight"),
        ([0, 1], [0], None, "shape"),
    ],
)
def test_unusable_input_is_refused_by_name(y, p, w, found):
    with pytest.raises(DataError, match=found):
        evaluate_predictions(y, p, w, kind="regression")
