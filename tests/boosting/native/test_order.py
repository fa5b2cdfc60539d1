"""Order statistics and percentiles against sorting, and against LightGBM's own interpolation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalable.boosting.native.order import order_statistics, percentiles, weighted_percentile
from scalable.boosting.native.peers import Peers

NUMBERS = st.floats(allow_nan=False, allow_infinity=True, width=64)


@given(st.lists(st.tuples(NUMBERS, st.integers(0, 4)), min_size=1, max_size=60), st.integers(0, 10**6))
def test_every_order_statistic_is_that_of_a_sort(rows, draw):
    values = np.array([value for value, _ in rows])
    groups = np.array([group for _, group in rows], np.uint32)
    counts = np.bincount(groups, minlength=5)[:4]  # group 4 is passed over
    ranks = np.array([draw % max(1, n) for n in counts])
    half = len(rows) // 2
    parts = [values[:half], values[half:]], [groups[:half], groups[half:]]
    found = order_statistics(*parts, ranks, Peers())
    for k in range(4):
        if counts[k]:
            assert found[k] == np.sort(values[groups == k])[ranks[k]]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.73, 1.0])
@pytest.mark.parametrize("n", [1, 2, 3, 10, 101])
def test_percentiles_interpolate_as_lightgbm_does(share, n):
    values = np.random.default_rng(n).normal(size=n)
    found = percentiles([values], [np.zeros(n, np.uint32)], np.array([n]), share, Peers())[0]
    down, place = np.sort(values)[::-1], (1 - share) * n
    whole = int(place)
    if n == 1 or whole < 1:
        wanted = down[0]
    elif whole >= n:
        wanted = down[-1]
    else:
        wanted = down[whole - 1] - (down[whole - 1] - down[whole]) * (place - whole)
    assert found == pytest.approx(wanted, rel=1e-14)


def test_a_weighted_percentile_does_not_depend_on_the_order_of_rows():
    rng = np.random.default_rng(0)
    values, weights = rng.integers(0, 9, 200).astype(float), rng.random(200) * 3
    order = rng.permutation(200)
    for share in (0.1, 0.5, 0.9):
        found = weighted_percentile(values, weights, share)
        assert found == weighted_percentile(values[order], weights[order], share)
        below = weights[values < found].sum() / weights.sum()
        assert below <= share + 1e-12
