"""Whatever a caller holds rows in, as a float matrix of any strides, converted the way LightGBM converts it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from scalable.errors import DataError


def _from_columns(columns: list[tuple[str, np.ndarray]], n_rows: int) -> np.ndarray:
    """Stack columns into a feature-major matrix and return its (n_rows, n_features) transposed view."""
    out = np.empty((len(columns), n_rows), np.float64)
    for i, (name, values) in enumerate(columns):
        if values.dtype.kind not in "fiub":
            raise DataError(
                f"column {name!r} should be numeric, found {values.dtype}; encode it as it was for training"
            )
        out[i] = values
    return out.T


def _from_arrow(table: Any) -> np.ndarray:
    import pyarrow as pa

    columns = []
    for name, column in zip(table.schema.names, table.columns, strict=True):
        kind = column.type
        if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
            raise DataError(
                f"column {name!r} should be numeric, found {kind}; encode it as it was for training"
            )
        wide = column.cast(pa.float64(), safe=False)  # large integers round, as they do in LightGBM
        whole = wide.combine_chunks() if isinstance(wide, pa.ChunkedArray) else wide
        columns.append((str(name), whole.to_numpy(zero_copy_only=False)))
    return _from_columns(columns, table.num_rows)


def _pandas_codes(column: Any, levels: Sequence[object]) -> np.ndarray:
    """Return category codes by the training levels; unseen and missing values become NaN."""
    codes = np.asarray(column.cat.set_categories(levels).cat.codes, np.float64)
    codes[codes == -1] = np.nan
    return codes


def _from_pandas(frame: Any, pandas_categorical: list[list[object]]) -> np.ndarray:
    columns = []
    categorical = [name for name in frame.columns if str(frame[name].dtype) == "category"]
    if categorical and len(categorical) != len(pandas_categorical):
        raise DataError(
            f"the model was trained with {len(pandas_categorical)} categorical columns, the frame has "
            f"{len(categorical)}: {', '.join(map(str, categorical))}"
        )
    levels = dict(zip(categorical, pandas_categorical, strict=False))
    for name in frame.columns:
        column = frame[name]
        if name in levels:
            columns.append((str(name), _pandas_codes(column, levels[name])))
        else:
            kind = getattr(column.dtype, "kind", "O")
            values = (
                column.to_numpy(dtype=np.float64, na_value=np.nan) if kind in "fiub" else column.to_numpy()
            )
            columns.append((str(name), values))
    return _from_columns(columns, len(frame))


def as_matrix(X: Any, n_features: int, pandas_categorical: list[list[object]] | None = None) -> np.ndarray:
    """Return `X` as a native float32 or float64 matrix, copying only what is not one already.

    Parameters
    ----------
    X : array (n_rows, n_features) or (n_features,), pandas or polars frame, Arrow table or record batch
        Integer and boolean NumPy arrays become float32, as in ``Booster.predict``.
    n_features : int
        Number of columns that the model expects.

    Raises
    ------
    DataError
        Another number of columns, or a column that is not numeric.
    """
    module = type(X).__module__.split(".")[0]
    if module == "pyarrow":
        matrix = _from_arrow(X)
    elif module == "pandas":
        frame = X if X.ndim == 2 else X.to_frame().T
        matrix = _from_pandas(frame, pandas_categorical or [])
    elif module == "polars":
        matrix = _from_arrow(X.to_arrow())
    else:
        matrix = np.asarray(X)
        if matrix.ndim == 1:
            matrix = matrix.reshape(1, -1)
        if matrix.dtype.kind not in "fiub":
            raise DataError(f"X should be numeric, found dtype {matrix.dtype}; encode text columns first")
        if matrix.dtype not in (np.float32, np.float64) or not matrix.dtype.isnative:
            matrix = matrix.astype(
                np.float64 if matrix.dtype.kind == "f" and matrix.itemsize == 8 else np.float32
            )
    if matrix.ndim != 2 or matrix.shape[1] != n_features:
        raise DataError(f"X should have {n_features} features per row, found shape {matrix.shape}")
    return matrix
