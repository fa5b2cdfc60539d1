"""Predictions of a Dask DataFrame: a Dask collection, computed partition by partition when it is asked for."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from scalable.models.dask_frames.written_rows import is_dask

METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "transform", "score_samples")
_OF_CLASSES = ("predict_proba", "predict_log_proba", "decision_function")


def answer_lazily(cls: type, base: type) -> None:
    """Let the methods of an estimator's class return Dask collections for Dask DataFrames.

    Parameters
    ----------
    cls : type
        The class; methods that it inherits from other subclasses of `base` answer so already.
    base : type
        Of all estimators.
    """
    for name in METHODS:
        owner = next((each for each in cls.__mro__ if name in vars(each)), None)
        if owner is None or (owner is not cls and issubclass(owner, base)):
            continue
        method = vars(owner)[name]
        if callable(method):
            setattr(cls, name, _lazy(method, name))
        elif owner is cls and hasattr(method, "fn"):  # scikit-learn's available_if
            method.fn = _lazy(method.fn, name)


def _lazy(method: Callable[..., Any], name: str) -> Callable[..., Any]:
    @functools.wraps(method)
    def either(self: Any, X: Any, *args: Any, **kwargs: Any) -> Any:
        if is_dask(X):
            return lazily(self, name, X, args, kwargs)
        return method(self, X, *args, **kwargs)

    return either


def lazily(estimator: Any, name: str, X: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return what a method answers to a Dask DataFrame, with its divisions.

    Returns
    -------
    dask.dataframe.Series or DataFrame
        One column, or one a class or output.
    """
    import dask

    from scalable.errors import UsageError

    if not hasattr(X, "map_partitions") or not hasattr(X, "columns"):
        raise UsageError(
            f"X is a Dask {type(X).__name__}; give a dask.dataframe.DataFrame, or NumPy arrays by map_blocks"
        )
    alone = copy.copy(estimator)
    alone.client = None
    meta = answered(X._meta_nonempty, alone, name, args, kwargs).iloc[:0]
    shared = dask.delayed(alone, pure=False, traverse=False)  # in the graph once, not in every task
    return X.map_partitions(answered, shared, name, args, kwargs, meta, meta=meta)


def answered(
    rows: Any, estimator: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], empty: Any = None
) -> Any:
    """Return what a method answers to one partition, as pandas has it, with the partition's index."""
    import pandas as pd

    if not len(rows) and empty is not None:
        return empty.set_axis(rows.index, axis=0)
    found = np.asarray(getattr(estimator, name)(rows, *args, **kwargs))
    if found.ndim == 1:
        return pd.Series(found, index=rows.index, name=name)
    n = found.shape[1]
    classes = getattr(estimator, "classes_", ())
    columns = list(classes) if name in _OF_CLASSES and len(classes) == n else list(range(n))
    return pd.DataFrame(found, index=rows.index, columns=columns)
