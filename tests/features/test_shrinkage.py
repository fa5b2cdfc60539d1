import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalable.features.target_encoding.shrinkage import LEAST_ROWS, UNKNOWN_ROWS, prior_rows, shrunk


def levels(rng, rows, between, within, n_folds=4):
    """Sums by fold of levels whose means have variance `between`."""
    counts = rng.multinomial(rows, [1 / n_folds] * n_folds)
    means = 3.0 + np.sqrt(between) * rng.normal(size=len(rows))
    return counts, counts * means[:, None] + np.sqrt(within * counts) * rng.normal(size=counts.shape)


@pytest.mark.parametrize(("between", "within"), [(1.0, 1.0), (0.01, 4.0), (2.0, 0.05)])
def test_the_ratio_of_variances_is_found(between, within):
    rng = np.random.default_rng(3)
    counts, sums = levels(rng, rng.integers(1, 400, 20_000), between, within)
    assert prior_rows(counts, sums, sums.sum() / counts.sum()) == pytest.approx(within / between, rel=0.08)


def test_rare_positives_are_believed_after_hundreds_of_rows():
    rng = np.random.default_rng(4)
    chance = 0.005 * rng.gamma(2.0, 0.5, 30_000)
    counts = rng.poisson(100 * rng.pareto(1.5, (30_000, 1)), (30_000, 4))
    sums = rng.binomial(counts, chance[:, None])
    found = prior_rows(counts, sums, sums.sum() / counts.sum())
    assert found == pytest.approx(0.005 * 0.995 / (0.005**2 / 2), rel=0.15)
    n, total = counts.sum(axis=1), sums.sum(axis=1)
    loss = {k: np.mean((shrunk(total, n, 0.005, k) - chance) ** 2) for k in (20.0, found, 20_000.0)}
    assert loss[found] < 0.9 * min(loss[20.0], loss[20_000.0])


def test_levels_that_do_not_differ_are_not_believed():
    rng = np.random.default_rng(5)
    counts, sums = levels(rng, np.full(500, 100), 0.0, 1.0)
    assert prior_rows(counts, sums, sums.sum() / counts.sum()) > 1500


def test_what_cannot_be_known_has_a_default():
    counts = np.eye(4, dtype=np.uint32)[np.arange(100) % 4]
    assert prior_rows(counts, counts * 1.5, 1.5) == UNKNOWN_ROWS
    assert prior_rows(np.zeros((8, 4), int), np.zeros((8, 4)), 0.0) == UNKNOWN_ROWS


def test_a_level_that_decides_its_target_is_believed_at_once():
    counts = np.full((50, 4), 3)
    sums = counts * (np.arange(50) % 2)[:, None]
    assert prior_rows(counts, sums, 0.5) == LEAST_ROWS
    assert prior_rows(counts, counts * 2.0, 2.0) == counts.sum()  # one target everywhere
    assert prior_rows(counts[:1], counts[:1] * 2.0, 2.0) == counts[0].sum()  # one level


@given(st.integers(0, 2**32), st.integers(1, 60), st.floats(0, 1))
def test_the_weight_is_within_its_bounds_and_scales_with_nothing(seed, n, rate):
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 6, (n, 4))
    sums = rng.binomial(counts, rate)
    mean = sums.sum() / max(1, counts.sum())
    found = prior_rows(counts, sums, mean)
    assert LEAST_ROWS <= found <= max(UNKNOWN_ROWS, counts.sum())
    assert prior_rows(counts, sums * 4.0, mean * 4.0) == pytest.approx(found, rel=1e-6)
