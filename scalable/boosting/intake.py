"""Rows as LightGBM's users give them: sparse matrices, and names beside an array."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psutil
from scipy import sparse

from scalable.data.intake import to_table
from scalable.data.source import Source
from scalable.data.table import as_source
from scalable.errors import UsageError
from scalable.models.dask_frames.written_rows import is_dask, rows_to_fit
from scalable.storage.sizes import size_of


def dense(X: Any) -> Any:
    """Return a sparse matrix as an array of all its values, zeros included; anything else as it is.

    Raises
    ------
    UsageError
        When the array would not fit into half the memory that is free.
    """
    if not sparse.issparse(X):
        return X
    needed, free = X.shape[0] * X.shape[1] * X.dtype.itemsize, int(psutil.virtual_memory().available)
    if needed > free // 2:
        raise UsageError(
            f"a sparse matrix of {X.shape[0]:,} x {X.shape[1]:,} needs {size_of(needed)} with its zeros, and "
            f"{size_of(free)} are free; write it to Parquet in parts and fit ParquetSource, or use lightgbm itself"
        )
    return X.toarray()


def named(X: Any, feature_name: Any) -> Any:
    """Return rows under the user's names of the columns.

    Raises
    ------
    UsageError
        When there are not as many names as columns, or a source has its own.
    """
    if isinstance(X, Source):
        raise UsageError("feature_name is for arrays; a source has the names of its files")
    table, names = to_table(dense(X)), [str(name) for name in feature_name]
    if len(names) != table.num_columns:
        raise UsageError(f"feature_name holds {len(names)} names for {table.num_columns} columns")
    return table.rename_columns(names)


def held_rows(X: Any, y: Any, sample_weight: Any, named: Callable[[Any], Any], client: Any) -> Source:
    """Return validation rows as a source; tables go through `named`, Dask DataFrames are written as for training."""
    if is_dask(X):
        return rows_to_fit(X, y, sample_weight, client)[0]
    return as_source(X if isinstance(X, Source) else named(dense(X)), y, sample_weight)
