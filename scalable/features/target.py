"""The target column as class indices or numbers, with the classes of any type kept for prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scalable.data.values import numbers
from scalable.errors import DataError
from scalable.kernels.encode import encoding


@dataclass(frozen=True, slots=True)
class Labels:
    """How one target column is read.

    Attributes
    ----------
    column : str
        Name of the target column.
    classes : tuple of str, int, bool or float, or None
        Sorted class labels of a classifier; None for a numeric target.
    """

    column: str
    classes: tuple[Any, ...] | None = None

    def encode(self, array: pa.Array) -> NDArray[np.float64]:
        """Return class indices or target values.

        Raises
        ------
        DataError
            On a missing target, a label unknown in training, or a target that is no number.
        """
        if array.null_count:
            raise DataError(
                f"target column {self.column!r} has {array.null_count:,} nulls; remove those rows"
            )
        if self.classes is None:
            return self._targets(array)
        if pa.types.is_dictionary(array.type):
            values: list[Any] = array.dictionary.to_pylist()
            inverse = array.indices.to_numpy(zero_copy_only=False)
        else:
            unique, inverse = codes_of(numbers(array))
            values = unique.tolist()
        index_of = {label: float(index) for index, label in enumerate(self.classes)}
        table = np.array([index_of.get(value, np.nan) for value in values], np.float64)
        encoded = np.empty(len(inverse))
        encoding.look_up(table, inverse, 0, encoded)
        if np.isnan(np.dot(encoded, encoded)):
            strange = values[int(inverse[int(np.flatnonzero(np.isnan(encoded))[0])])]
            known = ", ".join(repr(c) for c in self.classes[:8])
            raise DataError(f"target column {self.column!r} holds {strange!r}; the model knows {known}")
        return np.asarray(encoded, np.float64)

    def _targets(self, array: pa.Array) -> NDArray[np.float64]:
        if pa.types.is_dictionary(array.type):
            raise DataError(f"target column {self.column!r} is text; a regressor needs numbers")
        target = numbers(array).astype(np.float64)
        if not np.isfinite(target).all():
            raise DataError(f"target column {self.column!r} holds NaN or infinite values; remove those rows")
        return target

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able form; the type of the classes survives JSON as it is."""
        return {"column": self.column, "classes": None if self.classes is None else list(self.classes)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Labels:
        """Rebuild from `to_json`."""
        classes = data["classes"]
        return cls(data["column"], None if classes is None else tuple(classes))

    def decode(self, indices: NDArray[np.integer[Any]]) -> NDArray[Any]:
        """Return the class labels at `indices`."""
        if self.classes is None:
            raise ValueError("a numeric target has no classes")
        return np.asarray(class_array(self.classes)[indices])


def codes_of(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return sorted candidate values and, for each value, its place among them.

    Integers of a small range are their own codes (some candidates may then not occur); other numbers
    are sorted, which costs twenty times as much.
    """
    if values.dtype.itemsize == 1 and values.dtype.kind in "iu":
        if values.dtype.kind == "u":
            return np.arange(256), values
        return np.arange(-128, 128), values.view(np.uint8) ^ np.uint8(128)  # shifted by 128
    if values.dtype.kind in "iub" and values.size:
        low, high = int(values.min()), int(values.max())
        if high - low < 2**16:
            return np.arange(low, high + 1), values.astype(np.int64) - low
    return np.unique(values, return_inverse=True)


def class_array(classes: Sequence[Any]) -> NDArray[Any]:
    """Return class labels as an array of their common type."""
    return np.array(list(classes))


def read_weights(array: pa.Array, name: str) -> NDArray[np.float64]:
    """Return sample weights, checked.

    Raises
    ------
    DataError
        On a negative, missing or infinite weight.
    """
    weight = numbers(array).astype(np.float64)
    if not np.all(np.isfinite(weight) & (weight >= 0)):
        raise DataError(
            f"weight column {name!r} holds a negative, missing or infinite weight; weights are >= 0"
        )
    return weight
