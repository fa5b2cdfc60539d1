"""Whatever a caller holds rows in, as columns of floats, copied only where LightGBM's conversion asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from scalable.errors import DataError
from scalable.inference.forest.places import Columns

SPARSE_VALUES = 2**22  # of a sparse matrix that are made dense at a time


def _numeric(name: object, kind: object, numeric: bool) -> None:
    if not numeric:
        raise DataError(
            f"column {str(name)!r} should be numeric, found {kind}; encode it as it was for training"
        )


def _from_arrow(table: Any) -> Columns:
    import pyarrow as pa

    arrays = []
    for name, column in zip(table.schema.names, table.columns, strict=True):
        kind = column.type
        number = pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)
        _numeric(name, kind, number)
        whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        if whole.null_count or kind not in (pa.float32(), pa.float64()):
            whole = whole.cast(pa.float64(), safe=False)  # large integers round, as they do in LightGBM
        arrays.append(whole.to_numpy(zero_copy_only=False))
    return Columns.of_arrays(arrays, table.num_rows)


def _pandas_codes(column: Any, levels: Sequence[object]) -> np.ndarray:
    """Return category codes by the training levels; unseen and missing values become NaN."""
    codes = np.asarray(column.cat.set_categories(levels).cat.codes, np.float64)
    codes[codes == -1] = np.nan
    return codes


def _category_values(column: Any) -> np.ndarray:
    """Return a category column's numbers; missing ones become NaN."""
    levels = column.cat.categories
    _numeric(column.name, f"categories of {levels.dtype}", getattr(levels.dtype, "kind", "O") in "fiub")
    values: np.ndarray = np.append(np.asarray(levels, np.float64), np.nan)[column.cat.codes]  # -1 is the last
    return values


def _from_pandas(frame: Any, categories: list[list[object]] | None) -> Columns:
    arrays = []
    parts = [frame.iloc[:, j] for j in range(frame.shape[1])]  # by place: names may stand twice
    names = [str(part.name) for part in parts if str(part.dtype) == "category"]
    if categories is not None and len(names) != len(categories):
        raise DataError(
            f"the model was trained with {len(categories)} categorical columns, the frame has {len(names)}"
            f"{': ' if names else ''}{', '.join(names)}; give the columns the types that they had"
        )
    levels = iter(categories or [])
    for column in parts:
        if str(column.dtype) == "category":
            values = categories is None
            arrays.append(_category_values(column) if values else _pandas_codes(column, next(levels)))
            continue
        _numeric(column.name, column.dtype, getattr(column.dtype, "kind", "O") in "fiub")
        plain = column.dtype in (np.float32, np.float64)
        arrays.append(column.to_numpy() if plain else column.to_numpy(dtype=np.float64, na_value=np.nan))
    return Columns.of_arrays(arrays, len(frame))


def _from_array(X: Any) -> Columns:
    try:
        matrix = np.asarray(X)
    except ValueError as error:  # rows of different lengths
        raise DataError(f"X should have rows and columns of numbers ({error})") from None
    if matrix.ndim == 1:
        matrix = matrix.reshape(1, -1)
    if matrix.dtype.kind == "O":
        try:
            matrix = matrix.astype(np.float32)  # as LightGBM does
        except (TypeError, ValueError):
            raise DataError("X should be numeric, found dtype object; encode text columns first") from None
    if matrix.dtype.kind not in "fiub":
        raise DataError(f"X should be numeric, found dtype {matrix.dtype}; encode text columns first")
    if matrix.dtype not in (np.float32, np.float64) or not matrix.dtype.isnative:
        matrix = matrix.astype(
            np.float64 if matrix.dtype.kind == "f" and matrix.itemsize == 8 else np.float32
        )
    if matrix.ndim != 2:
        raise DataError(f"X should have rows and columns, found shape {matrix.shape}")
    return Columns.of_matrix(matrix)


def row_parts(X: Any) -> list[Any] | None:
    """Return a sparse matrix as dense parts of consecutive rows, each made when it is asked for; None for all else."""
    if type(X).__module__.split(".")[0] != "scipy" or not hasattr(X, "tocsr"):
        return None
    rows, size = X.tocsr(), max(1, SPARSE_VALUES // max(1, X.shape[1]))
    return [rows[start : start + size] for start in range(0, max(1, X.shape[0]), size)]


def as_columns(X: Any, n_features: int, categories: list[list[object]] | None = None) -> Columns:
    """Return `X` as columns of float32 or float64, copying only what is not that already.

    Parameters
    ----------
    X : array (n_rows, n_features) or (n_features,), sparse matrix, frame, Arrow table, batch or reader, Columns
        Integer and boolean NumPy arrays become float32, as in ``Booster.predict``. What a sparse matrix leaves out is
        zero. Columns of frames are taken in order; pandas' categorical ones have their codes.
    n_features : int
        Number of columns that the model expects.
    categories : list of list, optional
        Levels of the categorical columns of the frame that the model was trained on; where None, their values are used.

    Raises
    ------
    DataError
        Another number of columns, a column that is not numeric, or other categorical columns.
    """
    module = "" if isinstance(X, Columns) else type(X).__module__.split(".")[0]
    if isinstance(X, Columns):
        columns = X
    elif module == "pyarrow":
        columns = _from_arrow(X.read_all() if hasattr(X, "read_all") else X)
    elif module == "pandas":
        columns = _from_pandas(X if X.ndim == 2 else X.to_frame().T, categories)
    elif module == "polars":
        columns = _from_arrow((X.collect() if hasattr(X, "collect") else X).to_arrow())
    elif module == "scipy" and hasattr(X, "toarray"):
        columns = _from_array(X.toarray())
    else:
        columns = _from_array(X)
    if columns.n_features != n_features:
        shape = (columns.n_rows, columns.n_features)
        raise DataError(f"X should have {n_features} features per row, found shape {shape}")
    return columns


def one_row(x: Any, n_features: int, categories: list[list[object]] | None = None) -> np.ndarray:
    """Return one row in any form as a contiguous float64 array of its own.

    Raises
    ------
    DataError
        As `as_columns`; or there are other than one row.
    """
    if type(x) is np.ndarray and x.shape == (n_features,) and x.dtype in (np.float32, np.float64):
        return x.astype(np.float64)
    columns = as_columns(x, n_features, categories)
    if columns.n_rows != 1:
        raise DataError(f"predict_one takes one row, found {columns.n_rows}; use predict for several")
    return np.array(columns.matrix()[0], np.float64)


def is_plain_row(x: Any) -> bool:
    """Return whether the row kernels take `x` as it is: contiguous, writable float64."""
    return type(x) is np.ndarray and x.dtype == np.float64 and x.ndim == 1 and x.flags.carray
