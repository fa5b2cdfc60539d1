"""Rows written to shuffled places, beside NumPy; permutations that are computed place by place."""

import numpy as np
import pytest
from scipy import stats

from scalable.kernels.encode.permutation import shuffled_places
from scalable.kernels.encode.row_major import TILE_ROWS, scatter_floats, scatter_rows
from scalable.kernels.linear.records import FloatColumns

NO_PAGES = np.empty((0, 3), np.int64)


def keys_of(seed):
    return np.random.SeedSequence(seed).generate_state(6, np.uint64)


def places(n, seed, first=0, count=None):
    out = np.empty(n if count is None else count, np.int64)
    shuffled_places(first, n, keys_of(seed), out)
    return out


@pytest.mark.parametrize("n", [1, 2, 7, 16, 17, 1_000, 65_537])
def test_every_place_once_from_wherever_it_is_asked(n):
    whole = places(n, 0)
    assert np.array_equal(np.sort(whole), np.arange(n))
    assert np.array_equal(places(n, 0, n // 3, n - n // 3), whole[n // 3 :])


def test_places_are_uniform_and_neighbours_part():
    n, draws = 37, 3_000
    found = np.array([places(n, seed) for seed in range(draws)])
    counts = np.stack([np.bincount(found[:, k], minlength=n) for k in range(n)])
    chi2 = ((counts - draws / n) ** 2 / (draws / n)).sum()
    assert stats.chi2.sf(chi2, (n - 1) ** 2) > 1e-4
    steps = np.diff(found, axis=1).ravel()  # of neighbours: of two different places drawn at random
    possible = np.arange(1 - n, n)
    expected = (n - np.abs(possible)) / (n * (n - 1.0)) * (possible != 0)
    seen = np.bincount(steps + n - 1, minlength=2 * n - 1)
    kept = expected > 0
    chi2 = ((seen[kept] - len(steps) * expected[kept]) ** 2 / (len(steps) * expected[kept])).sum()
    assert stats.chi2.sf(chi2, kept.sum() - 1) > 1e-4


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
@pytest.mark.parametrize("d", [0, 1, 3, 100])
def test_rows_are_where_numpy_puts_them(d, dtype):
    columns = np.random.default_rng(d).integers(0, 99, (d, 500)).astype(dtype)
    to = places(700, 1)[:500]
    out, expected = np.zeros((700, d), dtype), np.zeros((700, d), dtype)
    scatter_rows(columns, to, out)
    expected[to] = columns.T
    assert np.array_equal(out, expected)


def test_floats_are_standardised_on_the_way_and_stop_before_what_is_not_finite():
    n = 2 * TILE_ROWS + 100
    random = np.random.default_rng(0)
    values = np.exp(random.normal(size=(3, n))).astype(np.float32)
    raw = FloatColumns(
        np.array([row.ctypes.data for row in values], np.uint64), -1, NO_PAGES, np.zeros(1, np.int64), 0,
        np.array([1.0, 0.0, 0.5]), np.array([2.0, 1.0, 0.1]), np.array([0.0, 0.7, 0.0]),
    )  # fmt: skip
    to = places(n, 2)
    out = np.zeros((n, 3), np.float32)
    assert scatter_floats(raw, to, out) == n
    expected = values.astype(float)
    expected[1] = np.log1p(expected[1] / 0.7)
    expected = (expected - [[1.0], [0.0], [0.5]]) / [[2.0], [1.0], [0.1]]
    np.testing.assert_allclose(out[to], expected.T, rtol=2e-6, atol=2e-6)
    values[2, TILE_ROWS + 5] = np.nan
    assert scatter_floats(raw, to, out) == TILE_ROWS
