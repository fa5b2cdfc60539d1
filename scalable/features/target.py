"""The target column as class indices or numbers, with the classes of any type kept for prediction."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scalable.data.columns import column_kind
from scalable.data.roles import spoken
from scalable.data.values import numbers
from scalable.errors import DataError, UnforeseenError
from scalable.kernels.encode import encoding

Where = Callable[[int], str]
_SIGNED_BYTES = (*range(128), *range(-128, 0))  # by what they are as unsigned ones


def nth_row(i: int) -> str:
    """Name a row of data that has no place of its own."""
    return f"row {i:,}"


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

    def encode(self, array: pa.Array, where: Where = nth_row) -> NDArray[np.float64]:
        """Return class indices or target values.

        Parameters
        ----------
        array : pyarrow.Array
            The target column.
        where : callable
            Names a row by its place in the array, see `RawBlock.where`.

        Raises
        ------
        DataError
            On a missing target, a label unknown in training (`UnforeseenError`), or a target that is no number.
        """
        if self.classes is None:
            return target_values(array, self.column, where).astype(np.float64)
        values, inverse = target_classes(array, self.column, where)
        table = (_kept_places if isinstance(values, range | tuple) else _places)(self.classes, values)
        encoded = np.empty(len(inverse))
        # In one call: each of NumPy's gives the interpreter's lock away, and waits until other learners let go of it.
        at = encoding.look_up_known(table, inverse, encoded)
        if at >= 0:
            known = ", ".join(repr(c) for c in self.classes[:8])
            raise UnforeseenError(
                f"{where(at)}: {spoken('target', self.column)} holds {array[at].as_py()!r}; the model knows {known}"
            )
        return encoded

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able form; the type of the classes survives JSON as it is."""
        return {"column": self.column, "classes": None if self.classes is None else list(self.classes)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Labels:
        """Rebuild from `to_json`.

        Raises
        ------
        KeyError, TypeError, ValueError
            When no target is read so.
        """
        column, classes = data["column"], data["classes"]
        if type(column) is not str:
            raise TypeError(f"the target column is {column!r:.60}")
        if classes is None:
            return cls(column)
        kinds = {type(label) for label in classes}
        if len(kinds) != 1 or not kinds < {str, int, float, bool} or len({*classes}) < max(2, len(classes)):
            raise ValueError(f"{len(classes)} classes: {classes!r:.60}")
        if kinds < {int, float} and not all(-(2**63) <= label < 2**64 for label in classes):
            raise ValueError(f"classes beyond 64 bits: {classes!r:.60}")
        return cls(column, tuple(classes))

    def decode(self, indices: NDArray[np.integer[Any]]) -> NDArray[Any]:
        """Return the class labels at `indices`."""
        if self.classes is None:
            raise ValueError("a numeric target has no classes")
        return np.asarray(class_array(self.classes)[indices])


def _places(classes: tuple[Any, ...], values: Sequence[Any]) -> NDArray[np.float64]:
    """Return the place of each value among the classes, NaN of one that is none of them."""
    index_of = {label: float(index) for index, label in enumerate(classes)}
    return np.array([index_of.get(value, np.nan) for value in values], np.float64)


_kept_places = functools.lru_cache(8)(_places)  # of integers, whose candidates are those of the block before


def check_outputs(n: int, labels: Labels | None) -> None:
    """Raise a ValueError unless a model of `n` outputs is one of these labels: of two classes or a number, one."""
    classes = None if labels is None or labels.classes is None else len(labels.classes)
    if classes == 1 or n != (1 if classes in (None, 2) else classes):
        raise ValueError(f"{n} outputs for {'a number' if classes is None else f'{classes} classes'}")


def target_classes(
    array: pa.Array, column: str, where: Where = nth_row
) -> tuple[Sequence[Any], NDArray[Any]]:
    """Return labels, some of which may not occur, and for each row the place of its own among them.

    Raises
    ------
    DataError
        On a missing or infinite one.
    """
    if not pa.types.is_dictionary(array.type):
        found = target_values(array, column, where)
        return ((False, True), found) if pa.types.is_boolean(array.type) else codes_of(found)
    require_good(array.is_valid() if array.null_count else None, array, spoken("target", column), where)
    return array.dictionary.to_pylist(), numbers(array.indices)


def target_values(array: pa.Array, column: str, where: Where = nth_row) -> NDArray[Any]:
    """Return a target as numbers, of the column's own dtype.

    Raises
    ------
    DataError
        When one is missing or infinite, or the column holds something else.
    """
    if pa.types.is_dictionary(array.type) and column_kind(array.type.value_type) in (
        "integer",
        "float",
        "boolean",
    ):
        array = array.dictionary_decode()
    if pa.types.is_dictionary(array.type):
        row = f"{where(0)}: " if len(array) else ""
        raise DataError(f"{row}{spoken('target', column)} is text; a regressor needs numbers")
    require_good(array.is_valid() if array.null_count else None, array, spoken("target", column), where)
    values = numbers(array)
    if values.dtype.kind == "f":
        require_good(np.isfinite(values), array, spoken("target", column), where)
    return values


def require_good(
    good: Any, array: pa.Array, column: str, where: Where, remedy: str = "remove those rows"
) -> None:
    """Raise a DataError that names the first value that is not good, and how many are not.

    Parameters
    ----------
    good : bool array (n_rows,) or None
        Which values are; None for all.
    array : pyarrow.Array
        The values.
    column, remedy : str
        How the message calls the column, and what it says can be done.
    where : callable
        Names a row by its place in the array.
    """
    good = None if good is None else np.asarray(good)
    if good is None or good.all():
        return
    at = int(np.flatnonzero(~good)[0])
    more = f" (and {n:,} more rows of this block)" if (n := int((~good).sum()) - 1) else ""
    found = array[at].as_py()
    what = "null" if found is None else repr(found)
    raise DataError(f"{where(at)}: {column} is {what}{more}; {remedy}")


def require_single(values: NDArray[np.float64], column: str, where: Where) -> None:
    """Raise a DataError that names the first value beyond float32, in which trees keep targets and weights."""
    beyond = np.abs(values) > np.finfo(np.float32).max
    if beyond.any():
        at = int(np.flatnonzero(beyond)[0])
        raise DataError(
            f"{where(at)}: {column} is {values[at]:g}, beyond 3.4e38, the largest number of the float32 that LightGBM "
            "keeps targets and weights in; divide the column by a constant"
        )


def codes_of(values: NDArray[Any]) -> tuple[Sequence[Any], NDArray[Any]]:
    """Return candidate values and, for each value, its place among them.

    Integers of a small range are their own codes (some candidates may then not occur); other numbers
    are sorted, which costs twenty times as much.
    """
    if values.dtype.itemsize == 1 and values.dtype.kind in "iu":
        return range(256) if values.dtype.kind == "u" else _SIGNED_BYTES, values.view(np.uint8)
    if values.dtype.kind in "iub" and values.size:
        low, high = int(values.min()), int(values.max())
        if high - low < 2**16:
            wide = values if values.dtype == np.uint64 else values.astype(np.int64)
            return range(low, high + 1), (wide - wide.dtype.type(low)).astype(np.int64)
    unique, codes = np.unique(values, return_inverse=True)
    return unique.tolist(), codes


def class_array(classes: Sequence[Any]) -> NDArray[Any]:
    """Return class labels as an array of their common type."""
    found = list(classes)
    if any(type(label) is int and label >= 2**63 for label in found):  # NumPy would round them to floats
        return np.array(found, np.uint64)
    return np.array(found)


def read_weights(array: pa.Array, name: str, where: Where = nth_row) -> NDArray[np.float64]:
    """Return sample weights.

    Raises
    ------
    DataError
        On a negative, missing or infinite weight.
    """
    weight = numbers(array).astype(np.float64)
    good = np.isfinite(weight) & (weight >= 0)
    require_good(good, array, spoken("weight", name), where, "weights are finite and not negative")
    return weight
