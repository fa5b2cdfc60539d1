"""Order statistics and percentiles against sorting, and against LightGBM's own interpolation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalable.boosting.native.order import order_statistics, percentiles, weighted_percentiles
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


def as_lightgbm(values, weights, share):
    """LightGBM's weighted percentile of rows sorted by value, and of equal values by weight."""
    order = np.lexsort((weights, values))
    values, summed = values[order], np.cumsum(weights[order].astype(np.float64))
    wanted = summed[-1] * share
    at = min(int(np.searchsorted(summed, wanted, side="right")), len(values) - 1)
    if at in (0, len(values) - 1) or summed[at + 1] - summed[at] < 1.0:
        return values[at]
    step = summed[at + 1] - summed[at]
    return (wanted - summed[at]) / step * (values[at] - values[at - 1]) + values[at - 1]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.77, 1.0])
@pytest.mark.parametrize("n_values", [1, 3, 9, 10**6])
def test_weighted_percentiles_are_those_of_sorted_rows_for_any_deal(share, n_values, on_workers):
    rng = np.random.default_rng(n_values)
    values = rng.integers(0, n_values, 300).astype(float)
    weights = (rng.integers(1, 40, 300) / 8).astype(np.float32)  # their sums are exact in both
    groups = rng.integers(0, 4, 300).astype(np.uint32)
    groups[groups == 3] = 7  # passed over; group 3 has no rows
    found = weighted_percentiles([values], [weights], [groups], 4, share, Peers())
    for k in range(3):
        rows = groups == k
        assert found[k] == pytest.approx(as_lightgbm(values[rows], weights[rows], share), rel=1e-12)
    assert found[3] == 0
    order = rng.permutation(300)

    def on_one(mesh):
        own = order[mesh.worker :: mesh.n_workers]
        halves = own[: len(own) // 3], own[len(own) // 3 :]
        parts = ([array[half] for half in halves] for array in (values, weights, groups))
        return weighted_percentiles(*parts, 4, share, Peers(mesh))

    for other in on_workers(2, on_one):
        np.testing.assert_array_equal(other, found)
