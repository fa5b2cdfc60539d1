"""Bins of numbers against NumPy's own search."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scalable.boosting.dataset.bin_search import cells_of
from scalable.kernels.encode.binning import bin_numbers

finite = st.floats(allow_nan=False, allow_infinity=False)


def places(bounds: np.ndarray, values: np.ndarray, missing: int = -1) -> np.ndarray:
    low, scale, first, steps = cells_of(bounds)
    out = np.zeros(len(values), np.uint16)
    codes = np.arange(len(bounds) + 2, dtype=np.uint32)
    padded = np.append(bounds, np.full(2**steps, np.inf))
    bin_numbers(values[:, None], 0, padded, first, low, scale, steps, missing, codes, out)
    return out


@given(
    hnp.arrays(np.float64, st.integers(0, 300), elements=finite, unique=True),
    hnp.arrays(np.float64, st.integers(1, 40), elements=st.floats(allow_nan=False)),
)
def test_any_bounds_any_values(bounds: np.ndarray, values: np.ndarray) -> None:
    bounds = np.sort(bounds)
    with np.errstate(over="ignore"):
        values = np.concatenate([values, bounds, np.nextafter(bounds, np.inf), np.nextafter(bounds, -np.inf)])
    np.testing.assert_array_equal(places(bounds, values), np.searchsorted(bounds, values))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("draw", ["standard_normal", "standard_cauchy", "random"])
def test_quantiles(draw: str, dtype: type) -> None:
    rng = np.random.default_rng(0)
    values = getattr(rng, draw)(5000).astype(dtype)
    bounds = np.unique(np.quantile(values.astype(np.float64), np.linspace(0, 1, 256)))
    np.testing.assert_array_equal(places(bounds, values), np.searchsorted(bounds, values.astype(np.float64)))


@pytest.mark.parametrize("bounds", [[], [0.0], [5e-324], [-1.7e308, 0.0, 1.7e308], [1.0, np.nextafter(1, 2)]])
def test_extreme_ranges(bounds: list[float]) -> None:
    given = np.array(bounds)
    values = np.array([-np.inf, -1.7e308, -1.0, -0.0, 0.0, 5e-324, 1.0, np.nextafter(1, 2), 1.7e308, np.inf])
    np.testing.assert_array_equal(places(given, values), np.searchsorted(given, values))


def test_missing_values_have_a_place_of_their_own_or_count_as_zero() -> None:
    bounds, values = np.array([-1.0, 1.0]), np.array([np.nan, -2.0, np.nan, 0.0])
    np.testing.assert_array_equal(places(bounds, values, missing=3), [3, 0, 3, 1])
    np.testing.assert_array_equal(places(bounds, values), [1, 0, 1, 1])


def test_quantiles_need_few_steps() -> None:
    bounds = np.quantile(np.random.default_rng(0).standard_normal(10**5), np.linspace(0, 1, 257)[1:-1])
    assert cells_of(bounds)[3] <= 2
