"""Labels of rows: from a column of theirs, or from a file that came later, found by a key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scalable.data.block import RawBlock
from scalable.data.source import Source
from scalable.data.values import buffers_of, dictionary_codes, numbers
from scalable.errors import DataError

MOST = 2**27  # labels held in memory: 16 bytes each


@dataclass(frozen=True)
class Labelled:
    """How rows get their labels.

    Parameters
    ----------
    predictor : Predictor
        Knows the classes.
    column : str
        Of the rows: the label, or the key.
    keys : int64 array, or dict of str to int; None where `column` is the label
        Ascending, or the place of each text.
    values : float64 array
        Label of each key: class index or value.
    sort : str
        Of the keys: ``text``, ``whole numbers``, or their type, if they are times.
    """

    predictor: Any
    column: str
    keys: Any = None
    values: NDArray[np.float64] | None = None
    sort: str = ""

    def of(self, block: RawBlock) -> NDArray[np.float64]:
        """Return the label of each row; NaN where it is not known."""
        array = block.arrays[self.column]
        if self.values is None:
            return encoded(self.predictor, array, self.column, block.where)
        if _sort(array.type) != self.sort:  # times of another unit would be other rows' keys
            raise DataError(
                f"{block.place}key {self.column!r} is {_sort(array.type)}, but {self.sort} among the labels; "
                "give both the same type"
            )
        found = np.full(block.n_rows, np.nan)
        if isinstance(self.keys, dict):
            places = [self.keys.get(key, -1) for key in array.dictionary.to_pylist()]
            at = np.array([*places, -1])[dictionary_codes(array)]
            found[at >= 0] = self.values[at[at >= 0]]
            return found
        rows = _whole(array, self.column)
        known = array.is_valid().to_numpy(zero_copy_only=False)
        at = np.minimum(np.searchsorted(self.keys, rows), len(self.keys) - 1)
        hit = known & (self.keys[at] == rows)
        found[hit] = self.values[at[hit]]
        return found


def encoded(predictor: Any, array: pa.Array, name: str, where: Callable[[int], str]) -> NDArray[np.float64]:
    """Return class indices or values of the labels of a column; NaN where there is none."""
    if not array.null_count:
        return np.asarray(predictor.encode_label(array, name, where), np.float64)
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    found = np.full(len(array), np.nan)
    at = np.flatnonzero(valid)
    found[valid] = predictor.encode_label(array.drop_null(), name, lambda i: where(int(at[i])))
    return found


def read_labels(predictor: Any, source: Source, key: str, target: str) -> Labelled:
    """Read labels that came later; a key that has several takes the last, and what is missing is none.

    Parameters
    ----------
    predictor : Predictor
    source : Source
        Rows of key and label.
    key, target : str

    Raises
    ------
    DataError
        Keys are neither whole numbers, times nor text, or there are more labels than are held in memory.
    """
    if source.n_rows > MOST:
        raise DataError(
            f"{source.describe_place()}: {source.n_rows:,} labels, at most {MOST:,} are held; monitor fewer periods"
        )
    keys: list[Any] = []
    values: list[NDArray[np.float64]] = []
    sort = ""
    for shard in source.shards:
        for block in source.raw_blocks(shard, [key, target]):
            array, y = block.arrays[key], encoded(predictor, block.arrays[target], target, block.where)
            if array.null_count:
                raise DataError(f"{source.describe_place()}: a label has no {key!r}")
            sort, told = _sort(array.type), np.isfinite(y)
            if not told.all():  # not known yet
                array, y = array.filter(pa.array(told)), y[told]
            values.append(y)
            keys.append(array.cast(pa.string()).to_pylist() if sort == "text" else _whole(array, key))
    y = np.concatenate([np.empty(0), *values])
    if not len(y):
        raise DataError(f"{source.describe_place()}: there are no labels")
    if sort == "text":
        places = {k: i for i, k in enumerate(k for part in keys for k in part)}
        return Labelled(predictor, key, places, y, sort)
    found = np.concatenate(keys)
    order = np.argsort(found, kind="stable")
    found, y = found[order], y[order]
    last = np.append(found[1:] != found[:-1], True)
    return Labelled(predictor, key, found[last], y[last], sort)


def _sort(kind: pa.DataType) -> str:
    """Return of what sort a key is; those of one sort can be compared."""
    if pa.types.is_integer(kind):
        return "whole numbers"
    return "text" if pa.types.is_dictionary(kind) else str(kind)


def _whole(array: pa.Array, name: str) -> NDArray[np.int64]:
    """Return keys as numbers, undefined where missing."""
    if not (pa.types.is_integer(array.type) or pa.types.is_temporal(array.type)):
        raise DataError(f"key {name!r} is {array.type}; give whole numbers, times or text")
    if pa.types.is_temporal(array.type):
        array = array.view(pa.int64() if array.type.bit_width == 64 else pa.int32())
    values = buffers_of(array)[0] if array.null_count else numbers(array)
    if values.dtype == np.uint64:
        known = array.is_valid().to_numpy(zero_copy_only=False)
        if (values[known] >= 2**63).any():
            raise DataError(f"key {name!r} goes beyond 2**63; give it as text")
    return np.asarray(values, np.int64)
