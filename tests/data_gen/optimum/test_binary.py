"""The intercept and the label."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from data_gen.optimum.binary import draw_labels, mean_and_slope, probabilities, solve_intercept


@settings(max_examples=40)
@given(
    st.floats(1e-5, 0.9999),
    st.floats(0, 4),
    st.floats(-50, 50),
    st.sampled_from(["normal", "constant", "two points"]),
)
def test_solved_mean_is_the_prevalence(prevalence, spread, centre, law):
    rng = np.random.default_rng(1)
    n = 1 << 12
    shape = {"normal": rng.normal(size=n), "constant": np.zeros(n), "two points": rng.choice([-3, 3], n)}[law]
    scores = (centre + spread * shape).astype(np.float32)
    intercept = solve_intercept(scores, prevalence)
    assert special.expit(scores.astype(float) + intercept).mean() == pytest.approx(prevalence, rel=2e-5)


@pytest.mark.parametrize("gap", [20, 40, 100])
@pytest.mark.parametrize("prevalence", [0.4999, 0.5, 0.5001, 0.9])
def test_two_points_far_apart_have_the_prevalence_too(gap, prevalence):
    scores = (50 + gap * (np.random.default_rng(1).random(1 << 12) < 0.5)).astype(np.float32)
    intercept = solve_intercept(scores, prevalence)
    assert special.expit(scores.astype(float) + intercept).mean() == pytest.approx(prevalence, rel=2e-5)


def test_sums_and_probabilities_against_scipy():
    scores = np.random.default_rng(0).normal(0, 3, 5000).astype(np.float32)
    p = special.expit(scores.astype(float) - 2.5)
    assert mean_and_slope(scores, -2.5, 1) == pytest.approx((p.sum(), (p * (1 - p)).sum()), rel=1e-5)
    assert mean_and_slope(scores, -2.5, 4)[0] == pytest.approx(p[::4].sum(), rel=1e-5)
    out = np.empty(5000)
    probabilities(scores, -2.5, out)
    np.testing.assert_allclose(out, p, rtol=1e-12)


def test_label_is_one_below_the_probability():
    bits = np.array([0, 2**63 - 1, 2**63, 2**64 - 1], np.uint64)
    out = np.empty(4, np.int8)
    draw_labels(bits, np.full(4, 0.5), out)
    assert out.tolist() == [1, 1, 0, 0]
