"""Records that the kernels of descent take in place of a dozen arguments each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class DescentRule(NamedTuple):
    """What is minimised and how a step is made, in numbers: arrays in a record are counted wherever it is passed on.

    Attributes
    ----------
    loss : int
        Code of the loss; -1 is softmax.
    delta : float
        Parameter of the loss.
    optimizer : int
        Number of the optimizer.
    batch : int
        Rows a step, at most ``MAX_BATCH``.
    fit_intercept : bool
        Whether the intercept moves.
    rare : int or None
        None: the loss is the logistic one and the optimizer adaptive, and kernels are compiled for nothing else.
    """

    loss: int
    delta: float
    optimizer: int
    batch: int
    fit_intercept: bool
    rare: int | None = 0


class FloatColumns(NamedTuple):
    """Float32 columns in memory or in a file, and what standardises them.

    Attributes
    ----------
    addresses : uint64 array of shape (n_columns,)
        Where the values of each column are in memory; empty when they are in a file.
    descriptor, places, bounds, first_row
        File, pages and first row, see `scalable.kernels.parquet.files.gather`; of columns in a file.
    offsets, scales : float64 arrays of shape (n_columns,)
        A value x becomes ``(x - offset) / scale``.
    units : float64 array of shape (n_columns,)
        Where positive, ``log(1 + x / unit)`` takes the place of x.
    """

    addresses: np.ndarray
    descriptor: int
    places: np.ndarray
    bounds: np.ndarray
    first_row: int
    offsets: np.ndarray
    scales: np.ndarray
    units: np.ndarray


class CategorySpace(NamedTuple):
    """Memory of one call, for the categories of its batches.

    Attributes
    ----------
    ranges : int64 array of shape (n_features, 2)
        See `scalable.kernels.linear.few_categories.narrow_features`.
    sums : float32 array of shape (SUMS, MOST_CATEGORIES)
        Partial sums of gradients by category.
    touched : uint32 array of shape (>= MAX_BATCH, > MOST_CATEGORIES)
        Feature indices of a batch.
    """

    ranges: np.ndarray
    sums: np.ndarray
    touched: np.ndarray
