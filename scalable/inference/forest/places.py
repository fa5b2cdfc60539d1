"""Rows as the kernels take them: for every feature the place of its values, in a matrix or in columns of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scalable.kernels.forest.tables import PLACE


@dataclass(frozen=True, slots=True)
class Columns:
    """Float values of `n_rows` rows, wherever they lie.

    Attributes
    ----------
    places : PLACE (n_features,)
        Where each feature's values lie.
    n_rows : int
    values : tuple of array
        What the places point into, which it keeps alive: one matrix, or one array (n_rows,) a feature.
    """

    places: np.ndarray
    n_rows: int
    values: tuple[np.ndarray, ...]

    @classmethod
    def of_matrix(cls, matrix: np.ndarray) -> Columns:
        """Point into a native float32 or float64 matrix (n_rows, n_features) of any strides."""
        row, column = matrix.strides
        places = np.empty((matrix.shape[1], 3), np.int64)  # writing to named fields takes three times as long
        places[:, 0] = matrix.ctypes.data + column * np.arange(matrix.shape[1])
        places[:, 1], places[:, 2] = row, matrix.dtype == np.float32
        return cls(places.view(PLACE)[:, 0], len(matrix), (matrix,))

    @classmethod
    def of_arrays(cls, arrays: Sequence[np.ndarray], n_rows: int) -> Columns:
        """Point into one numeric array a feature; what is neither float32 nor float64 is converted to float64."""
        kept = tuple(a if a.dtype in (np.float32, np.float64) else a.astype(np.float64) for a in arrays)
        places = [(a.ctypes.data, a.strides[0], a.dtype == np.float32) for a in kept]
        return cls(np.array(places, np.int64).reshape(-1, 3).view(PLACE)[:, 0], n_rows, kept)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy by the values."""
        if len(self.values) == 1 and self.values[0].ndim == 2:
            return Columns.of_matrix, (self.values[0],)
        return Columns.of_arrays, (self.values, self.n_rows)

    @property
    def n_features(self) -> int:
        """Number of features."""
        return len(self.places)

    def matrix(self) -> np.ndarray:
        """Return the rows as one matrix: the one they lie in, or else a float64 one of their values."""
        if len(self.values) == 1 and self.values[0].ndim == 2:
            return self.values[0]
        out = np.empty((self.n_rows, self.n_features))
        for j, values in enumerate(self.values):
            out[:, j] = values
        return out
