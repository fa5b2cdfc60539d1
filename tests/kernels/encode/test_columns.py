import numpy as np
import pyarrow as pa
import pytest

from scalable.data.values import numbers, place_of, placed
from scalable.kernels.encode import columns as kernels
from scalable.kernels.encode import encoding

ROWS = 10_000
TYPES = [
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
    "float32",
    "float64",
]


def arrays(nulls):
    """Columns of every kind that begin at a bit within a byte, with few values and with many."""
    rng = np.random.default_rng(5)
    few, many = rng.integers(0, 2, ROWS + 3), rng.integers(0, 2**30, ROWS + 3)
    missing = rng.random(ROWS + 3) < 0.3 if nulls else None
    found = [pa.array(few, mask=missing).cast(name)[3:] for name in TYPES]
    return [*found, *(pa.array(many, mask=missing).cast(name, safe=False)[3:] for name in TYPES[2:8])]


def encode(given, scales, dtype, indicator):
    n, given = len(given), [placed(array) for array in given]
    described = np.zeros((n, kernels.NUMBER_FIELDS), np.int64)
    for k, array in enumerate(given):
        described[k, : kernels.TO] = place_of(array)
    described[:, kernels.TO], described[:, kernels.INDICATOR] = np.arange(n) * (1 + indicator), indicator
    out, none = np.empty((n * (1 + indicator), ROWS), dtype), np.empty((0, kernels.CATEGORY_FIELDS), np.int64)
    single = 1 if dtype == np.float32 else None
    kernels.encode_columns(described, scales, none, single, out, np.empty((0, ROWS), np.int32))
    return described, out


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("unit", [0.0, 3.0])
@pytest.mark.parametrize("nulls", [False, True])
def test_columns_of_every_kind_are_encoded_as_one_alone_is(dtype, unit, nulls):
    given = arrays(nulls)
    scales = np.tile([unit, 0.25, 0.5, 0.125, 0.3], (len(given), 1))
    described, out = encode(given, scales, dtype, int(nulls))
    for k, array in enumerate(given):
        values, truth = numbers(array), np.empty(ROWS, dtype)
        if values.dtype == dtype == np.float32:
            encoding.encode_floats(values, unit, 0.25, 0.5, truth)
        elif unit:
            encoding.log_standardize(values.astype(np.float64), unit, 0.25, 0.5, truth)
        else:
            encoding.standardize(values.astype(np.float64), 0.25, 0.5, truth)
        empty = np.isnan(truth)
        assert (
            int(empty.sum()) == array.null_count == described[k, kernels.BAD] == described[k, kernels.MISSING]
        )
        np.testing.assert_array_equal(out[k * (1 + nulls)], np.where(empty, dtype(0.125), truth))
        if nulls:
            np.testing.assert_array_equal(out[2 * k + 1], np.where(empty, dtype(0.7), dtype(-0.3)))


def test_what_is_infinite_is_told_from_what_is_missing():
    values = pa.array([1.0, np.nan, np.inf, None] * (ROWS // 4))
    described, _ = encode(
        [values, values.cast(pa.float32())], np.tile([0.0, 0.0, 1.0, 0.0, 0.0], (2, 1)), np.float32, 0
    )
    assert described[:, [kernels.BAD, kernels.MISSING]].tolist() == [[3 * ROWS // 4, ROWS // 2]] * 2


@pytest.mark.parametrize("nulls", [False, True])
def test_categories_go_by_their_dictionary(nulls):
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 5, ROWS + 5)
    missing = rng.random(ROWS + 5) < 0.2 if nulls else None
    array = pa.array(codes, pa.int32(), mask=missing)[5:]
    table = np.array([7, 3, 3, 9, 1, 100], np.int32)
    ids = np.full((2, ROWS), -1, np.int32)
    known = np.array([[*place_of(array)[:3], table.ctypes.data, 1, 5]], np.int64)
    nothing = np.empty((0, kernels.NUMBER_FIELDS), np.int64), np.empty((0, 5))
    kernels.encode_columns(*nothing, known, 1, np.empty((0, ROWS), np.float32), ids)
    assert (ids[0] == -1).all()
    expected = table[codes[5:]] if missing is None else np.where(missing[5:], 100, table[codes[5:]])
    np.testing.assert_array_equal(ids[1], expected)
