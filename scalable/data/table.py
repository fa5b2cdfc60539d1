"""In-memory data behind the face of a source, so that learners have one road only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from scalable.data.block import BLOCK_ROWS, Origin, RawBlock
from scalable.data.fingerprint import content_of
from scalable.data.intake import to_column, to_table
from scalable.data.readers.arrow import canonical
from scalable.data.roles import TARGET, WEIGHT, Roles, spoken
from scalable.data.shard import Shard, plan_shards
from scalable.data.source import Source
from scalable.errors import DataError


class TableSource(Source):
    """An Arrow table with the face of a `ParquetSource`.

    Parameters
    ----------
    table : pyarrow.Table
        The data; never copied.
    target, features, weight, group, time, entity
        As for `ParquetSource`.
    """

    in_memory = True

    def __init__(
        self,
        table: pa.Table,
        target: str | None = None,
        features: Sequence[str] | None = None,
        weight: str | None = None,
        *,
        group: str | None = None,
        time: str | None = None,
        entity: str | None = None,
    ) -> None:
        self.table = table
        self.roles = Roles(target, weight, group, time, entity)
        self.full_schema = table.schema.remove_metadata()
        self.feature_names = self.roles.features(self.full_schema, "the table", features)
        self.shards = plan_shards([[table.num_rows]])
        if not self.shards:
            raise DataError("the table has no rows")

    def describe_place(self) -> str:
        """Return a short name of the dataset for messages."""
        return "the table"

    def content(self) -> dict[str, Any]:
        """Return digests of the columns that are used; see `Source.fingerprint`."""
        selected = self.selection.columns if self.selection is not None else []
        names = dict.fromkeys([*self.feature_names, *self.roles.named.values(), *selected])
        return {"columns": {name: content_of(self.table.column(name)) for name in names}}

    def raw_blocks(
        self, shard: Shard, columns: Sequence[str] | None = None, block_rows: int = BLOCK_ROWS
    ) -> Iterator[RawBlock]:
        """Hand out slices of the table; see `ParquetSource.raw_blocks`."""
        names = list(self.needed if columns is None else columns)
        return self._selected(lambda wanted: self._slices(shard, wanted, block_rows), names)

    def _slices(self, shard: Shard, names: list[str], block_rows: int) -> Iterator[RawBlock]:
        for start in range(shard.row_start, shard.row_stop, block_rows):
            n_rows = min(block_rows, shard.row_stop - start)
            first_row = shard.first_row + start - shard.row_start
            origin = Origin(self.describe_place(), start)
            columns = ((name, self.table.column(name).slice(start, n_rows)) for name in names)
            yield RawBlock({name: _one_array(column) for name, column in columns}, first_row, n_rows, origin)


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    return canonical(column.chunk(0) if column.num_chunks == 1 else column.combine_chunks(), column.type)


def as_source(
    X: Any, y: Any = None, sample_weight: Any = None, features: Sequence[str] | None = None
) -> Source:
    """Wrap what a user passes to ``fit`` or ``predict`` as a source.

    Parameters
    ----------
    X : source, array of shape (n_rows, n_features), or pandas/polars/Arrow table
        NumPy columns are named ``x0, x1, ...``.
    y : array-like of shape (n_rows,), optional
        Target; not allowed beside a source, which names its own.
    sample_weight : array-like of shape (n_rows,) or a number, optional
        Non-negative weights.
    features : sequence of str, optional
        The columns that are read, as other columns may be of any type; all by default. A source names its own.

    Returns
    -------
    ParquetSource or TableSource

    Raises
    ------
    DataError
        When lengths differ or the data is of a kind that cannot be wrapped.
    """
    if isinstance(X, Source):
        if y is not None or sample_weight is not None:
            raise DataError("a source names its own target and weight columns: leave y and sample_weight out")
        return X
    table = to_table(X)
    for role, name, values in (("target", TARGET, y), ("weight", WEIGHT, sample_weight)):
        if values is None:
            continue
        one = role == "weight" and isinstance(values, (int, float, np.number))
        array = to_column(np.full(table.num_rows, values) if one else values, spoken(role, name))
        if len(array) != table.num_rows:
            raise DataError(f"X has {table.num_rows:,} rows but {spoken(role, name)} has {len(array):,}")
        table = table.append_column(name, array)
    return TableSource(
        table, TARGET if y is not None else None, features, WEIGHT if sample_weight is not None else None
    )
