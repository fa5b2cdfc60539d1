"""What users hold in memory, as an Arrow table: NumPy, pandas, polars, Arrow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scalable.errors import DataError

_STRIP_BYTES = 2**18  # of rows, put into columns at a time: they stay in the near cache


def to_table(X: Any) -> pa.Table:
    """Return X as an Arrow table, without a copy where the library allows it.

    Columns without names of their own (NumPy, pandas with integer labels) become ``x0, x1, ...``.

    Raises
    ------
    DataError
        When X is sparse, complex, not two-dimensional, or its columns are ambiguous.
    TypeError
        When an object array holds something other than numbers and text.
    """
    if isinstance(X, pa.Table):
        return X
    if isinstance(X, pa.RecordBatch):
        return pa.Table.from_batches([X])
    module, kind = type(X).__module__.partition(".")[0], type(X).__name__
    if module == "polars" and kind == "DataFrame":
        return X.to_arrow()
    if module == "polars" and kind == "LazyFrame":
        raise DataError("X is a polars LazyFrame; collect() it, or give its files to ParquetSource")
    if isinstance(X, pa.RecordBatchReader):
        raise DataError("X is a RecordBatchReader; read_all() it, or give its files to ParquetSource")
    if module == "pandas" and kind == "DataFrame":
        return _from_pandas(X)
    if hasattr(X, "tocsr") or hasattr(X, "to_coo"):
        raise DataError(f"X is a sparse {kind}, which is not supported; give X.toarray()")
    array = np.asarray(unmasked(X))
    if array.ndim != 2:
        raise DataError(
            f"X has {array.ndim} dimension(s), expected a table or an array of shape (rows, features). "
            "Reshape your data: X.reshape(-1, 1) for one feature, X.reshape(1, -1) for one row"
        )
    if array.shape[1] == 0:
        raise DataError(f"X has 0 feature(s) (shape={array.shape}) while a minimum of 1 is required.")
    array = _by_column(array)
    return pa.table({f"x{j}": _column(array[:, j], f"x{j}") for j in range(array.shape[1])})


def refuse_lazy(values: Any, role: str) -> None:
    """Raise a DataError where a target or a weight is a polars LazyFrame."""
    if type(values).__module__.partition(".")[0] == "polars" and hasattr(values, "collect"):
        raise DataError(f"{role} is a polars LazyFrame; collect() it")


def to_column(values: Any, role: str) -> pa.Array | pa.ChunkedArray:
    """Return a target or a weight as an Arrow column.

    Raises
    ------
    DataError
        When it has no Arrow type, or several columns.
    """
    refuse_lazy(values, role)
    library = type(values).__module__.partition(".")[0]
    if library == "polars" and hasattr(values, "to_arrow"):
        values = values.to_arrow()
    if isinstance(values, (pa.Table, pa.RecordBatch)):
        if values.num_columns != 1:
            raise DataError(f"{role} has shape {values.shape}, expected one value a row")
        return values.column(0)
    if isinstance(values, (pa.Array, pa.ChunkedArray)):
        return values
    if library == "pandas" and getattr(values, "ndim", 0) == 1:
        try:
            return pa.Array.from_pandas(values)
        except (pa.ArrowException, ValueError) as error:
            raise DataError(f"{role} cannot be converted: {error}; give it one type") from error
    array = np.asarray(unmasked(values))
    if array.ndim > 2 or (array.ndim == 2 and array.shape[1] != 1):
        raise DataError(f"{role} has shape {array.shape}, expected one value a row")
    try:
        return _column(array.ravel(), role)
    except TypeError as error:
        raise DataError(f"{role} cannot be converted: {error}; give it one type") from error


def unmasked(values: Any) -> Any:
    """Return a masked array with NaN or None where it is masked, as nobody looks at masks; others as they are."""
    if not isinstance(values, np.ma.MaskedArray) or not np.ma.is_masked(values):
        return values
    plain = values.dtype.kind in "biuf"
    found = np.array(values.data, float if plain else object)
    found[np.ma.getmaskarray(values)] = np.nan if plain else None
    return found


def require_distinct(X: Any) -> None:
    """Refuse a pandas frame that has several columns of one name."""
    if type(X).__module__.partition(".")[0] != "pandas" or getattr(X, "ndim", 0) != 2:
        return
    repeated = [str(name) for name in X.columns[X.columns.duplicated()]]
    if repeated:
        raise DataError(f"X has several columns named {repeated[0]!r}; rename them so that names are unique")


def _from_pandas(frame: Any) -> pa.Table:
    require_distinct(frame)
    names = list(frame.columns)
    texts = sum(isinstance(name, str) for name in names)
    if texts not in (0, len(names)):
        kinds = sorted({type(name).__name__ for name in names})
        raise DataError(
            f"X has column names of types {kinds}, but names must be all strings or all positions; "
            "use X.columns = X.columns.astype(str)"
        )
    thin = [name for name, kind in frame.dtypes.items() if type(kind).__name__ == "SparseDtype"]
    if thin:  # which Arrow does not take
        frame = frame.copy(deep=False)
        for name in thin:
            frame[name] = frame[name].sparse.to_dense()
    try:
        table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    except (pa.ArrowException, ValueError, OverflowError) as error:
        raise DataError(
            f"X cannot be converted: {str(error).splitlines()[0]}; give every column one type"
        ) from error
    return table if texts else table.rename_columns([f"x{j}" for j in range(len(names))])


def _by_column(array: NDArray[Any]) -> NDArray[Any]:
    """Return numbers of shape (rows, features) with each column in one piece, a strip of rows after the other.

    A column of row-major numbers alone brings every row to the cache for one value.
    """
    rows, width = array.shape
    if array.flags.f_contiguous or array.dtype.kind not in "biuf":
        return array
    columns: NDArray[Any] = np.empty((width, rows), array.dtype)
    strip = max(1, _STRIP_BYTES // (width * array.itemsize))
    for start in range(0, rows, strip):
        columns[:, start : start + strip] = array[start : start + strip].T
    return columns.T


def _column(values: NDArray[Any], name: str) -> pa.Array:
    if values.dtype.kind == "c":
        raise DataError(
            f"Complex data not supported: {name} is {values.dtype}; give real and imaginary parts"
        )
    if values.dtype == object:
        return _from_objects(values, name)
    if values.dtype == np.longdouble:
        values = values.astype(np.float64)
    native = values.astype(values.dtype.newbyteorder("="), copy=False)
    try:
        return pa.array(np.ascontiguousarray(native))
    except pa.ArrowException as error:
        raise DataError(f"{name} is {values.dtype}, which cannot be learned from: {error}") from error


def _from_objects(values: NDArray[Any], name: str) -> pa.Array:
    """Return Python objects as float64 if they are numbers, else as text; None and NaN are null."""
    if any(isinstance(value, str) for value in values):
        try:
            return pa.array(values, from_pandas=True)
        except pa.ArrowException as error:
            raise DataError(f"{name} mixes text with other types ({error}); give it one type") from error
    return pa.array(values.astype(np.float64), from_pandas=False)
