import numpy as np
import pytest

from scalable.kernels.encode import encoding
from scalable.kernels.parquet.missing import fill_missing


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int8, np.uint8, np.int32, np.int64])
def test_standardize_subtracts_in_float64(dtype):
    x = np.arange(100, dtype=dtype) + (10**15 if dtype in (np.int64, np.float64) else 0)
    out = np.empty(100, np.float32)
    offset = float(x[50])
    assert encoding.standardize(x, offset, 2.0, out) == 0
    np.testing.assert_array_equal(out, (np.arange(100) - 50) / 2.0)


def test_what_is_not_finite_is_counted():
    x = np.array([1.0, np.nan, np.inf, -np.inf, 2.0])
    out = np.empty(5, np.float32)
    assert encoding.standardize(x, 0.0, 1.0, out) == 3
    assert encoding.log_standardize(x, 1.0, 0.0, 1.0, out) == 3
    indicator = np.empty(5, np.float32)
    assert encoding.mark_missing(out, 0.25, indicator, -1.0, 2.0) == 1
    assert out[1] == 0.25
    assert indicator.tolist() == [-1.0, 2.0, -1.0, -1.0, -1.0]


def test_log_standardize_is_the_formula_and_clips_below_zero():
    x = np.concatenate([[-5.0, 0.0], np.geomspace(1e-8, 1e12, 2000)])
    out = np.empty(len(x))
    assert encoding.log_standardize(x, 0.7, 1.1, 2.5, out) == 0
    np.testing.assert_allclose(out, (np.log1p(np.maximum(x, 0) / 0.7) - 1.1) / 2.5, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("offset", [0.0, 1.1])
def test_logarithms_in_single_precision_are_those_of_double(offset):
    x = np.concatenate([[-5.0, 0.0], np.geomspace(1e-6, 1e6, 3001)]).astype(np.float32)
    single, double = np.empty_like(x), np.empty_like(x)
    assert encoding.log_standardize_single(x, 0.7, offset, 0.5, single) == 0
    assert encoding.log_standardize(x, 0.7, offset, 0.5, double) == 0
    np.testing.assert_allclose(single, double, rtol=4e-7, atol=1e-6)
    for scale in (0.01, 0.5):  # little spread keeps its digits
        assert encoding.encode_floats(x, 0.7, offset, scale, single) == 0
        truth = (np.log1p(np.maximum(x, 0).astype(float) / 0.7) - offset) / scale
        np.testing.assert_allclose(single, truth, rtol=4e-7, atol=1e-6)


@pytest.mark.parametrize(
    ("value", "unit", "bad"),
    [(np.nan, 1.0, 1), (np.inf, 1.0, 1), (-np.inf, 1.0, 1), (3e38, 1e-3, 0), (1.0, 1e-42, 0)],
)
def test_what_single_precision_cannot_hold_is_taken_in_double(value, unit, bad):
    x = np.array([1.0, value, 2.0], np.float32)
    single, double = np.empty(3, np.float32), np.empty(3, np.float32)
    assert encoding.log_standardize_single(x, unit, 0.5, 1.0, single) == bad
    assert encoding.log_standardize(x, unit, 0.5, 1.0, double) == bad
    np.testing.assert_array_equal(single, double)


def test_hashes_depend_on_value_and_salt_only():
    x = np.arange(1000)
    a, b, c = (np.empty(1000, np.int32) for _ in range(3))
    encoding.hash_integers(x, np.uint64(1), 50, 256, a)
    encoding.hash_integers(x[::-1].copy(), np.uint64(1), 50, 256, b)
    encoding.hash_integers(x, np.uint64(2), 50, 256, c)
    np.testing.assert_array_equal(a, b[::-1])
    assert a.min() >= 50
    assert a.max() < 306
    assert (a == c).mean() < 0.02


@pytest.mark.parametrize("per_day", [1, 86_400, 86_400_000, 86_400_000_000_000])
def test_calendar_at_the_borders_of_hours_and_days(per_day):
    days = np.array([-200_000 if per_day < 10**12 else -20_000, -1, 0, 1, 19_000, 100_000])
    hour = np.arange(24) * per_day // 24
    ticks = (days[:, None] * per_day + hour).ravel()
    ticks = np.concatenate(
        [ticks - 1, ticks, ticks + 1, np.random.default_rng(0).integers(-(2**50), 2**60, 3000)]
    )
    out = np.empty((2, len(ticks)), np.int32)
    encoding.calendar(ticks, per_day, 100, 200, out)
    number = ticks // per_day
    np.testing.assert_array_equal(out[0], 100 + (ticks - number * per_day) * 24 // per_day)
    np.testing.assert_array_equal(out[1], 200 + (number + 3) % 7)
    alone = np.empty((1, len(ticks)), np.int32)
    encoding.calendar(ticks, per_day, -1, 0, alone)
    np.testing.assert_array_equal(alone[0], (number + 3) % 7)


@pytest.mark.parametrize("first", range(9))
@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 1000])
def test_missing_values_are_found_by_their_bits(first, n):
    random = np.random.default_rng(n)
    bits = random.random(first + n) < 0.6
    values = random.integers(-9, 9, n)
    out = np.empty(n)
    fill_missing(values, np.packbits(bits, bitorder="little"), first, np.nan, out)
    np.testing.assert_array_equal(out, np.where(bits[first:], values, np.nan))
