import numpy as np
import pytest

from scalable.kernels import encoding


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
