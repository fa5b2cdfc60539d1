"""A column is counted as NumPy counts it, whatever its type, its nulls and the order of its rows."""

import numpy as np
import pyarrow as pa
import pytest

from scalable.monitor.binner import Binner, count_block
from scalable.monitor.bins import ColumnBins, as_floats, number_bins
from scalable.monitor.periods import Runs, one_period

N = 6000
RNG = np.random.default_rng(0)
WHOLE = RNG.integers(-100, 100, N)
NUMBERS = {
    "int8": (WHOLE, pa.int8()),
    "uint16": (WHOLE + 100, pa.uint16()),
    "int32, small": (WHOLE * 1000, pa.int32()),
    "int32, large": (WHOLE * 10**7 + RNG.integers(0, 2, N), pa.int32()),
    "int64": (WHOLE * 10**16, pa.int64()),
    "uint64": ((WHOLE + 100) * 10**16, pa.uint64()),
    "bool": (WHOLE > 0, pa.bool_()),
    "float16": (WHOLE.astype(np.float16) / 8, pa.float16()),
    "float32": (WHOLE.astype(np.float32) / 3, pa.float32()),
    "float64": (WHOLE / 3, pa.float64()),
    "time": (WHOLE * 10**12, pa.timestamp("us")),
}


def counted(binner, array, runs=None):
    runs = one_period(len(array)) if runs is None else runs
    counts = np.zeros((len(runs.periods), binner.bins.size), np.int64)
    count_block([binner.counted(array, 0)], runs, counts)
    return counts


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("missing", [False, True])
def test_numbers_of_every_type(name, missing):
    values, kind = NUMBERS[name]
    array = pa.array(values, kind, mask=RNG.random(N) < 0.2 if missing else None).slice(5)
    bins = number_bins("x", as_floats(array.slice(0, 3000)))
    floats = as_floats(array)
    expected = np.searchsorted(bins.edges, floats, side="left")
    expected[np.isnan(floats)] = bins.size - 1
    assert np.array_equal(Binner(bins).codes(array), expected)
    assert np.array_equal(counted(Binner(bins), array)[0], np.bincount(expected, minlength=bins.size))
    order = RNG.permutation(len(array))
    found = counted(
        Binner(bins), array, Runs([0, 1], np.array([0, 999, len(array)]), np.array([1, 0]), order)
    )
    assert np.array_equal(found[1], np.bincount(expected[order[:999]], minlength=bins.size))
    assert np.array_equal(found[0], np.bincount(expected[order[999:]], minlength=bins.size))


def test_whole_numbers_at_the_ends_of_their_type():
    least, most = -(2**31), 2**31 - 1
    array = pa.array([least, least + 1, -1, 0, most - 1, most], pa.int32())
    for edges in (
        (least - 1.0, 0.5),
        (least + 0.5, -0.5, most - 0.5),
        (float(least), most + 7.5),
        (-1e30, 1e30),
    ):
        bins = ColumnBins("x", "number", edges, tuple(range(len(edges) + 1)))
        binner = Binner(bins)
        for some in (array, array.cast(pa.int64()), pa.concat_arrays([array, pa.nulls(2, pa.int32())])):
            expected = np.bincount(binner.codes(some), minlength=bins.size)
            assert np.array_equal(counted(binner, some)[0], expected)
            backwards = Runs(
                [0], np.array([0, len(some)]), np.zeros(1, np.int64), np.arange(len(some))[::-1].copy()
            )
            assert np.array_equal(counted(binner, some, backwards)[0], expected)


@pytest.mark.parametrize("missing", [False, True])
def test_text_by_the_codes_of_its_dictionary(missing):
    values = RNG.choice(["a", "b", "c", "new"], N)
    array = pa.array(values, mask=RNG.random(N) < 0.2 if missing else None).dictionary_encode().slice(7)
    bins = ColumnBins("x", "text", levels=("c", "a", "b"))
    places = {"c": 0, "a": 1, "b": 2, "new": 3, None: 4}
    expected = np.array([places[value] for value in array.to_pylist()])
    assert np.array_equal(Binner(bins).codes(array), expected)
    order = RNG.permutation(len(array))
    runs = Runs([0, 1], np.array([0, 1000, len(array)]), np.array([1, 0]), order)
    counts = counted(Binner(bins), array, runs)
    assert np.array_equal(counts[1], np.bincount(expected[order[:1000]], minlength=5))
    assert np.array_equal(counts[0], np.bincount(expected[order[1000:]], minlength=5))


def test_each_dictionary_has_its_own_bins():
    binner = Binner(ColumnBins("x", "text", levels=("a", "b")))
    counts = np.zeros(4, np.int64)
    for words in (["a", "b"], ["b", "a"], ["b", "a"], ["b", "a", "new"], ["a", "b"]):
        array = pa.DictionaryArray.from_arrays(pa.array([0] * 10, pa.int32()), words)
        counts += counted(binner, array)[0]
    assert counts.tolist() == [20, 30, 0, 0]


def test_a_column_without_any_value_is_missing_whatever_its_type():
    for bins in (ColumnBins("x", "text", levels=("a",)), ColumnBins("x", "number", (0.0,), (0.0, 0.0))):
        assert counted(Binner(bins), pa.nulls(9))[0].tolist() == [0, 0, 9]


def test_bins_of_numbers_whose_squares_overflow():
    """Their scale was 1 with NumPy's warning, where sums of a bin overflow the points between bins were infinite."""
    values = np.random.default_rng(0).normal(size=500)
    near, far = number_bins("a", values), number_bins("a", values * 2.0**1020)
    assert np.array_equal(np.array(near.edges[1:]) * 2.0**1020, far.edges[1:])
    np.testing.assert_allclose(np.array(near.points) * 2.0**1020, far.points)
    assert far.scale == pytest.approx(near.scale * 2.0**1020)
