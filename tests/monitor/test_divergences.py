"""Distances of counts against SciPy, and thresholds that hold without drift."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import spatial, stats

from scalable.monitor import divergences as div
from scalable.monitor.thresholds import Thresholds

COUNTS = (
    st.integers(2, 12)
    .flatmap(
        lambda k: st.tuples(*(st.lists(st.integers(0, 10**6), min_size=k, max_size=k) for _ in range(2)))
    )
    .filter(lambda pair: all(sum(counts) for counts in pair))
)


@given(COUNTS)
@settings(max_examples=200, deadline=None)
def test_divergences_are_scipys(pair):
    before, now = map(np.array, pair)
    p, q = before / before.sum(), now / now.sum()
    points = np.cumsum(np.arange(1, len(p) + 1) ** 2).astype(float)
    assert div.jensen_shannon(before, now) == pytest.approx(
        spatial.distance.jensenshannon(p, q, base=2) ** 2, abs=1e-12
    )
    assert div.wasserstein(before, now, points) == pytest.approx(
        stats.wasserstein_distance(points, points, p, q), rel=1e-9, abs=1e-9
    )
    smooth_p, smooth_q = (c + 0.5 for c in (before, now))
    smooth_p, smooth_q = smooth_p / smooth_p.sum(), smooth_q / smooth_q.sum()
    both = stats.entropy(smooth_p, smooth_q) + stats.entropy(smooth_q, smooth_p)
    assert div.psi(before, now) == pytest.approx(both, rel=1e-9, abs=1e-12)


@given(
    st.lists(st.integers(0, 8), min_size=1, max_size=60), st.lists(st.integers(0, 8), min_size=1, max_size=60)
)
@settings(max_examples=100, deadline=None)
def test_ks_is_scipys(one, other):
    counts = [np.bincount(values, minlength=9) for values in (one, other)]
    with np.errstate(divide="ignore", invalid="ignore"):  # of the chance, which is not asked for
        expected = stats.ks_2samp(one, other, method="asymp").statistic
    assert div.kolmogorov_smirnov(*counts) == pytest.approx(expected, abs=1e-12)


def test_rare_bins_are_one():
    before, now = np.array([1000, 2, 3, 995]), np.array([5, 6, 7, 8])
    assert [counts.tolist() for counts in div.without_rare(before, now)] == [[1000, 995, 5], [5, 8, 13]]
    found = div.without_rare(np.array([90, 4, 50, 6]), np.array([[1, 2, 3, 4]]), others=True)
    assert [counts.tolist() for counts in found] == [[90, 50, 10], [[1, 3, 6]]]


@pytest.mark.parametrize("rows", [200, 5_000, 1_000_000])
def test_sampling_alone_stays_below_the_thresholds_even_without_an_effect(rows):
    limits = Thresholds(psi=0, js=0, ks=0, wasserstein=0, alpha=1e-4)
    rng, reference = np.random.default_rng(rows), 100_000
    shares = np.full(20, 0.05)
    before = rng.multinomial(reference, shares)
    now = rng.multinomial(rows, shares, size=500)
    points = np.arange(20.0)
    cumulated, steps = np.cumsum(before)[:-1] / reference, np.diff(points)
    over = np.zeros(4)
    for counts in now:
        over += [
            div.psi(before, counts) > limits.of_psi(rows, reference, 20),
            div.jensen_shannon(before, counts) > limits.of_js(rows, reference, 20),
            div.kolmogorov_smirnov(before, counts) > limits.of_ks(rows, reference),
            div.wasserstein(before, counts, points)
            > limits.of_wasserstein(rows, cumulated, steps, reference),
        ]
    assert over.max() <= 2, over
    # and they are no looser than they need be: the middle of the distances is of their size
    middle = np.median([div.psi(before, counts) for counts in now])
    assert limits.of_psi(rows, reference, 20) < 4 * middle


def test_many_periods_at_once_are_each_alone():
    rng = np.random.default_rng(0)
    before, now, points = rng.integers(0, 99, 12), rng.integers(0, 99, (7, 12)), np.arange(12.0) ** 2
    now[3] = 0
    for many in (
        div.psi,
        div.jensen_shannon,
        div.kolmogorov_smirnov,
        lambda b, n: div.wasserstein(b, n, points),
    ):
        assert many(before, now).tolist() == [many(before, each) for each in now]
    assert np.array_equal(div.without_rare(before, now)[1][5], div.without_rare(before, now[5])[1])
