import datetime
import decimal

import numpy as np
import pyarrow as pa
import pytest

from scalable.data.values import missing_count, numbers

CASES = [
    (pa.array([True, False]), np.uint8, [1, 0]),
    (pa.array([True, None]), np.float64, [1, np.nan]),
    (pa.array([-128, 127], pa.int8()), np.int8, [-128, 127]),
    (pa.array([2**63 - 1, -(2**63)]), np.int64, [2**63 - 1, -(2**63)]),
    (pa.array([2**64 - 1, 0], pa.uint64()), np.uint64, [2**64 - 1, 0]),
    (pa.array([2**64 - 1, None], pa.uint64()), np.float64, [2.0**64, np.nan]),
    (pa.array([1.5, None], pa.float32()), np.float32, [1.5, np.nan]),
    (pa.array([1.5, None], pa.float64()), np.float64, [1.5, np.nan]),
    (pa.array([np.float16(1.5), None], pa.float16()), np.float32, [1.5, np.nan]),
    (pa.array([decimal.Decimal("1.25"), None], pa.decimal128(9, 2)), np.float64, [1.25, np.nan]),
    (pa.array([decimal.Decimal("-0.5")], pa.decimal256(70, 1)), np.float64, [-0.5]),
    (pa.array([datetime.date(1970, 1, 3), datetime.date(1969, 12, 31)]), np.int64, [2, -1]),
    (pa.array([5, None], pa.timestamp("ms", "UTC")), np.float64, [5, np.nan]),
    (pa.array([5, 7], pa.timestamp("ns")), np.int64, [5, 7]),
    (pa.array([5, 7], pa.time32("s")), np.int64, [5, 7]),
    (pa.array([5, 7], pa.time64("us")), np.int64, [5, 7]),
    (pa.array([5, 7], pa.duration("us")), np.int64, [5, 7]),
    (pa.array([86_400_000], pa.date64()), np.int64, [86_400_000]),
    (pa.nulls(2), np.float64, [np.nan, np.nan]),
    (pa.nulls(2, pa.int32()), np.float64, [np.nan, np.nan]),
    (pa.array([], pa.int16()), np.int16, []),
]


@pytest.mark.parametrize(("array", "dtype", "expected"), CASES, ids=[str(case[0].type) for case in CASES])
def test_numbers_of_every_type(array, dtype, expected):
    got = numbers(array)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, np.array(expected, dtype))
    sliced = numbers(pa.concat_arrays([array, array]).slice(len(array)))
    np.testing.assert_array_equal(sliced, got)


@pytest.mark.parametrize("kind", [pa.float32(), pa.float64(), pa.int64(), pa.uint8()])
def test_columns_without_nulls_are_not_copied(kind):
    array = pa.array(range(100), kind)
    assert numbers(array).ctypes.data == array.buffers()[1].address


def test_missing_counts_nulls_and_nan():
    assert missing_count(pa.array([1.0, None, np.nan, np.inf])) == 2
    assert missing_count(pa.array(np.array([1, np.nan], np.float32))) == 1
    assert missing_count(pa.array(np.array([1, np.nan, np.nan], np.float16))) == 2
    assert missing_count(pa.array([1, None])) == 1
    assert missing_count(pa.array(["a", None, None])) == 2
    assert missing_count(pa.array([], pa.float64())) == 0
