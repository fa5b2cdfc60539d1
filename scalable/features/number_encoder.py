"""Raw columns as plain float64 numbers, missing ones NaN: what learners of moments take."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scalable.data.block import Block, RawBlock
from scalable.data.columns import column_kind
from scalable.data.raw_block import LazyBlock, RawFloats, float_columns, stored_floats
from scalable.data.readers.stored import StoredColumns
from scalable.data.readers.tiles import TileReader
from scalable.data.values import numbers
from scalable.errors import DataError
from scalable.features.encoder import Encoder, as_trained
from scalable.features.state import FORMAT, State, check_columns
from scalable.features.target import Labels, require_good

_FLOATS = {pa.float32(): np.float32, pa.float64(): np.float64}


class NumberEncoder(Encoder):
    """Immutable, picklable map from `RawBlock` to a `Block` of numbers as they are.

    Parameters
    ----------
    columns : sequence of (str, str, str)
        Name, Arrow type and kind of each feature.
    labels : Labels or None
        How the target column is read.
    weight : str or None
        Weight column.
    """

    def __init__(
        self, columns: Sequence[tuple[str, str, str]], labels: Labels | None = None, weight: str | None = None
    ) -> None:
        self.columns = tuple((name, arrow_type, kind) for name, arrow_type, kind in columns)
        self.labels = labels
        self.weight = weight

    @classmethod
    def learn(
        cls, schema: pa.Schema, labels: Labels | None, weight: str | None, learner: str
    ) -> NumberEncoder:
        """Take every feature column of a schema.

        Raises
        ------
        DataError
            When one is text, which `learner` cannot take.
        """
        columns = [(field.name, str(field.type), column_kind(field.type) or "float") for field in schema]
        for name, arrow_type, kind in columns:
            if kind == "text":
                usable = [other for other, _, k in columns if k != "text"]
                raise DataError(
                    f"column {name!r} is {arrow_type}, and {learner} takes numbers only; name the features without "
                    f"it: {', '.join(usable[:6])}{', ...' if len(usable) > 6 else ''}"
                )
        return cls(columns, labels, weight)

    @property
    def needed(self) -> list[str]:
        """Names of the feature columns it reads."""
        return [name for name, _, _ in self.columns]

    @property
    def features_only(self) -> NumberEncoder:
        """The same encoder as prediction uses it, without label and weight."""
        return NumberEncoder(self.columns)

    @property
    def column_types(self) -> list[tuple[str, str, str]]:
        """Name, Arrow type and kind of each column that it reads."""
        return list(self.columns)

    def encode(self, raw: RawBlock) -> Block:
        """Encode one block; label and weight too where the block has their columns.

        Where all columns are float32, or all float64, and none is null, they are made one array when that is first
        asked for.

        Raises
        ------
        DataError
            On an infinite value, or a column of another type than in training.
        """
        place = raw.place
        arrays = [
            as_trained(raw.arrays[name], name, arrow_type, kind, place)
            for name, arrow_type, kind in self.columns
        ]
        roles = self._roles(raw)
        kinds = {array.type for array in arrays}
        if len(kinds) == 1 and kinds <= _FLOATS.keys() and not any(array.null_count for array in arrays):
            floats = RawFloats(float_columns(arrays), arrays, None, _FLOATS[kinds.pop()])
            encode = partial(self._matrix, arrays, raw)
            return LazyBlock(floats, encode, *roles, raw.first_row, raw.n_rows, raw.origin)
        ids = np.empty((0, raw.n_rows), np.int32)
        return Block(self._matrix(arrays, raw), ids, *roles, raw.first_row, raw.origin)

    @property
    def stored(self) -> list[str]:
        """Names of its columns, where all are float32 and kernels may read them in their file; else none."""
        return self.needed if all(kind == "float" for _, kind, _ in self.columns) else []

    def encode_stored(self, raw: RawBlock, stored: StoredColumns | TileReader, row: int) -> Block:
        """Do `encode` for features that are still in their file; see `scalable.execution.reader.StoredEncoder`."""

        def load() -> NDArray[np.float64]:
            return self._matrix(stored.read(row, raw.n_rows), raw)

        floats = stored_floats(stored, row, len(self.columns))
        return LazyBlock(floats, load, *self._roles(raw), raw.first_row, raw.n_rows, raw.origin)

    def _matrix(self, arrays: Sequence[pa.Array], raw: RawBlock) -> NDArray[np.float64]:
        """Return the columns as numbers."""
        matrix = np.empty((len(arrays), raw.n_rows))
        for row, array, (name, _, _) in zip(matrix, arrays, self.columns, strict=True):
            row[:] = numbers(array)
            if np.isinf(row).any():
                require_good(~np.isinf(row), array, f"column {name!r}", raw.where, "clean it or leave it out")
        return matrix

    def describe(self) -> list[str]:
        """Return one line a column: what was done with it."""
        return [
            f"{name} ({arrow_type}): number, as it is; missing values are left out"
            for name, arrow_type, _ in self.columns
        ]

    def state(self) -> State:
        """Return what `from_state` rebuilds it from."""
        labels = None if self.labels is None else self.labels.to_json()
        columns: list[Any] = [list(column) for column in self.columns]
        return State({"format": FORMAT, "columns": columns, "labels": labels, "weight": self.weight})

    @classmethod
    def _rebuilt(cls, state: State) -> NumberEncoder:
        columns = [(name, arrow_type, kind) for name, arrow_type, kind in state.document["columns"]]
        check_columns(columns)
        if any(kind == "text" for _, _, kind in columns):
            raise ValueError("a column of numbers is text")
        return cls(columns, *cls._saved_roles(state.document))
