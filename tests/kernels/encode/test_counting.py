"""Counts by bin and period against NumPy, for every kind of value."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalable.kernels.encode import counting
from scalable.monitor.binner import Binner, count_block, counted_codes
from scalable.monitor.bins import ColumnBins
from scalable.monitor.periods import Runs
from scalable.monitor.scores import GRID, grid_bounds, grid_cell


def runs_for(rng, n, n_runs, n_periods):
    inner = np.sort(rng.integers(0, n + 1, n_runs - 1))
    begins = np.concatenate([[0], inner, [n]]).astype(np.int64)
    return Runs(list(range(n_periods)), begins, rng.integers(0, n_periods, n_runs))


def reference(codes, runs, n_bins):
    found = np.zeros((len(runs.periods), n_bins), np.int64)
    np.add.at(found, (runs.of_rows(), codes), 1)
    return found


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("n_edges", [1, 2, 21])
def test_numbers_are_counted_between_edges(kind, n_edges):
    rng = np.random.default_rng(n_edges)
    edges = np.sort(rng.normal(size=n_edges)) if n_edges > 1 else np.array([0.1])  # 0.1 is no float32
    values = rng.normal(size=10_000).astype(kind)
    values[rng.integers(0, 10_000, 900)] = rng.choice(edges, 900).astype(kind)  # on an edge, or beside it
    values[:5] = [np.inf, -np.inf, 0.0, -0.0, np.finfo(kind).max]
    values[rng.integers(0, 10_000, 300)] = np.nan
    runs = runs_for(rng, 10_000, 9, 4)
    bins = ColumnBins("x", "number", tuple(edges), tuple(range(n_edges + 1)))
    codes = np.searchsorted(edges, values.astype(np.float64), side="left")
    codes[np.isnan(values)] = n_edges + 1
    counts = np.zeros((4, bins.size + 5), np.int64)
    count_block([Binner(bins).counted(pa.array(values), 3)], runs, counts)
    assert np.array_equal(counts[:, 3:-2], reference(codes, runs, bins.size))
    assert not counts[:, :3].any()
    assert not counts[:, -2:].any()


def test_edges_beyond_float32_part_its_values_too():
    edges = (-1e300, -1e-60, 0.0, 1e-60, 1e300)
    values = np.array([-np.inf, np.inf, 0.0, 3e38, -3e38, 1e-45, -1e-45], np.float32)
    counts = np.zeros((1, 7), np.int64)
    column = Binner(ColumnBins("x", "number", edges, tuple(range(6)))).counted(pa.array(values), 0)
    count_block([column], Runs([0], np.array([0, 7]), np.zeros(1, np.int64)), counts)
    places = np.searchsorted(edges, values.astype(np.float64), side="left")
    assert np.array_equal(counts[0], np.bincount(places, minlength=7))


def test_codes_are_counted_in_their_bins():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 40, 9999).astype(np.int32)
    bins = rng.integers(0, 6, 40).astype(np.uint32)
    runs = runs_for(rng, 9999, 7, 3)
    counts = np.zeros((3, 8), np.int64)
    count_block([counted_codes(codes, bins, 6, 1)], runs, counts)
    assert np.array_equal(counts[:, 1:7], reference(bins[codes], runs, 6))
    assert not counts[:, [0, 7]].any()


def test_a_probability_has_the_cell_of_its_log_odds():
    bounds = grid_bounds()
    beside = [np.nextafter(bounds, side) for side in (0, 1)]
    special = [0.0, 1.0, 0.5, 5e-324, 1 - 2.0**-53, 2.0**-24, 1 - 2.0**-24, np.nextafter(0.5, 0)]
    spread = 1 / (1 + np.exp(-np.random.default_rng(0).uniform(-40, 40, 100_000)))
    p = np.concatenate([bounds, *beside, special, spread])
    cells = grid_cell(p)
    assert np.array_equal(cells, np.searchsorted(bounds, p, side="right"))
    odds = np.log(np.clip(p, 1e-300, None)) - np.log1p(-np.clip(p, None, 1 - 2.0**-53))
    near = np.abs(odds) < 15
    assert np.abs((cells - GRID // 2)[near] / 32 - odds[near]).max() < 1 / 64 + 1e-6
    assert set(cells[[len(bounds) * 3, len(bounds) * 3 + 1]]) == {0, GRID - 1}


@given(
    st.lists(st.integers(-(2**62), 2**62) | st.integers(-30, 30), min_size=1, max_size=50), st.integers(1, 40)
)
@settings(max_examples=200, deadline=None)
def test_runs_of_a_period_are_found(times, width):
    times = np.array(times)
    periods = times // width
    begins, found = np.empty(51, np.int64), np.empty(50, np.int64)
    n = counting.find_runs(times, width, begins, found)
    changes = np.flatnonzero(np.diff(periods)) + 1
    assert begins[: n + 1].tolist() == [0, *changes.tolist(), len(times)]
    assert found[:n].tolist() == periods[begins[:n]].tolist()
    if n > 1:
        assert counting.find_runs(times, width, begins, found[: n - 1]) == -1
