"""Arrow columns as NumPy numbers: missing becomes NaN, times become epoch counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

from scalable.kernels.encode import columns as kernels
from scalable.kernels.parquet.missing import fill_missing

_KINDS = {  # and bytes, by number of Arrow's
    pa.int8().id: (kernels.INT8, 1),
    pa.int16().id: (kernels.INT16, 2),
    pa.int32().id: (kernels.INT32, 4),
    pa.int64().id: (kernels.INT64, 8),
    pa.bool_().id: (kernels.BITS, 0),
    pa.float32().id: (kernels.FLOAT32, 4),
    pa.float64().id: (kernels.FLOAT64, 8),
}
_PLAIN = _KINDS.keys() - {pa.bool_().id}
_SIGNED = {8: pa.int16(), 16: pa.int32(), 32: pa.int64(), 64: pa.float64()}  # by bits of unsigned integers


def numbers(array: pa.Array) -> NDArray[Any]:
    """Return a numeric, boolean or temporal column as numbers, without a copy where possible.

    Parameters
    ----------
    array : pyarrow.Array
        Column of kind boolean, integer, float or temporal.

    Returns
    -------
    array of shape (n_rows,)
        Of the column's own dtype when nothing is null (uint8 for booleans, int64 epoch units for
        times); float64 with NaN for null otherwise (float32 columns stay float32).
    """
    array = plain(array)
    if array.null_count == 0:
        return _values_of(array)
    values, valid = buffers_of(array)
    out = np.empty(len(array), np.float32 if values.dtype == np.float32 else np.float64)
    fill_missing(values, valid, array.offset, np.nan, out)
    return out


def buffers_of(array: pa.Array) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Return the values of a numeric column with nulls, and the bits of those that are none.

    Returns
    -------
    values : array of shape (n_rows,)
        Undefined where null.
    valid : array of uint8
        Validity bitmap; the bit of the first value is ``array.offset``.
    """
    return _values_of(array), np.frombuffer(array.buffers()[0], np.uint8)


def placed(array: pa.Array) -> pa.Array:
    """Return a numeric, boolean or temporal column as one of those whose `place_of` is known; nulls stay null."""
    if array.type.id in _KINDS:
        return array
    array = plain(array)
    if pt.is_unsigned_integer(array.type):
        return array.cast(_SIGNED[array.type.bit_width], safe=False)
    return array


def place_of(array: pa.Array) -> tuple[int, int, int, int]:
    """Return where bits, signed integers or floats are in memory, as `scalable.kernels.encode.columns` takes it.

    Returns
    -------
    tuple of int
        Address of the first value, of bits that of the first byte; address of the validity bitmap, 0 where nothing is
        null; bit of the first value; kind.
    """
    kind, width = _KINDS[array.type.id]
    valid, values = array.buffers()
    at = 0 if values is None else values.address + width * array.offset
    return at, valid.address if array.null_count else 0, array.offset, kind


def _values_of(array: pa.Array) -> NDArray[Any]:
    """Return the values of a numeric column; ``to_numpy`` would import pandas where it is installed, .4 s a process."""
    dtype, data = array.type.to_pandas_dtype(), array.buffers()[1]
    if data is None:  # of a column without rows
        return np.empty(0, dtype)
    return np.frombuffer(data, dtype, len(array), array.offset * array.type.byte_width)


def read_only(values: NDArray[Any]) -> NDArray[Any]:
    """Return the same array, not to be written to: columns often are, and kernels compile for either kind."""
    found = values.view()
    found.flags.writeable = False
    return found


def dictionary_codes(array: pa.DictionaryArray) -> NDArray[Any]:
    """Return the place of each value in the dictionary; of nulls the place after its last."""
    indices = array.indices
    if not array.null_count:
        return _values_of(indices)
    values, valid = buffers_of(indices)
    out = np.empty(len(values), np.int32)
    fill_missing(values, valid, indices.offset, len(array.dictionary), out)
    return out


def text_of_nulls(array: pa.Array) -> pa.Array:
    """Return a column without any value, which has no type of its own, as text; others as they are."""
    return pa.nulls(len(array), pa.dictionary(pa.int32(), pa.string())) if pt.is_null(array.type) else array


def plain(array: pa.Array) -> pa.Array:
    """Return a column as one of integers or floats; missing ones of all kinds stay null."""
    kind = array.type
    if kind.id in _PLAIN:  # most are: each question below costs as much as all else that is done to a column
        return array
    if pt.is_boolean(kind):
        return array.cast(pa.uint8())
    if pt.is_null(kind) or pt.is_decimal(kind):
        return array.cast(pa.float64())
    if pt.is_date32(kind) or pt.is_time32(kind):
        return array.view(pa.int32()).cast(pa.int64())
    if pt.is_temporal(kind):
        return array.view(pa.int64())
    return array.cast(pa.float32()) if pt.is_float16(kind) else array


def missing_count(array: pa.Array) -> int:
    """Return how many values are null or NaN."""
    missing = int(array.null_count)
    if pt.is_float16(array.type):
        array = array.cast(pa.float32())
    if pt.is_floating(array.type):
        missing += int(pc.sum(pc.is_nan(array)).as_py() or 0)
    return missing
