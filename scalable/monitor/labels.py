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
from scalable.data.values import dictionary_codes
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
    """

    predictor: Any
    column: str
    keys: Any = None
    values: NDArray[np.float64] | None = None

    def of(self, block: RawBlock) -> NDArray[np.float64]:
        """Return the label of each row; NaN where it is not known."""
        array = block.arrays[self.column]
        if self.values is None:
            return encoded(self.predictor, array, self.column, block.where)
        text = pa.types.is_dictionary(array.type)
        if text != isinstance(self.keys, dict):
            here, there = ("text", "whole numbers") if text else (array.type, "text")
            raise DataError(
                f"{block.place}key {self.column!r} is {here}, but {there} among the labels; give both the same type"
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
    """Read labels that came later; a key that has several takes the last.

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
    for shard in source.shards:
        for block in source.raw_blocks(shard, [key, target]):
            array = block.arrays[key]
            values.append(encoded(predictor, block.arrays[target], target, block.where))
            if array.null_count:
                raise DataError(f"{source.describe_place()}: a label has no {key!r}")
            text = pa.types.is_dictionary(array.type)
            keys.append(array.cast(pa.string()).to_pylist() if text else _whole(array, key))
    y = np.concatenate([np.empty(0), *values])
    if keys and isinstance(keys[0], list):
        return Labelled(predictor, key, {k: i for i, k in enumerate(k for part in keys for k in part)}, y)
    found = np.concatenate([np.empty(0, np.int64), *keys])
    order = np.argsort(found, kind="stable")
    found, y = found[order], y[order]
    last = np.append(found[1:] != found[:-1], True) if len(found) else np.empty(0, bool)
    if not last.any():
        raise DataError(f"{source.describe_place()}: there are no labels")
    return Labelled(predictor, key, found[last], y[last])


def _whole(array: pa.Array, name: str) -> NDArray[np.int64]:
    if not (pa.types.is_integer(array.type) or pa.types.is_temporal(array.type)):
        raise DataError(f"key {name!r} is {array.type}; give whole numbers, times or text")
    filled = array.fill_null(0) if array.null_count and pa.types.is_integer(array.type) else array
    if pa.types.is_temporal(filled.type) and filled.null_count:
        raise DataError(f"key {name!r}: a row has none")
    return np.asarray(filled.cast(pa.int64()).to_numpy(zero_copy_only=False), np.int64)
