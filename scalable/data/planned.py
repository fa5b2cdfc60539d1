"""What every source has: roles of columns and a plan of shards."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Self

import pyarrow as pa

from scalable.data.block import BLOCK_ROWS, RawBlock
from scalable.data.columns import check_roles
from scalable.data.shard import Shard
from scalable.errors import DataError


class Source(ABC):
    """Rows with named columns, planned into shards.

    Attributes
    ----------
    shards : tuple of Shard
        The plan; the same whatever executes it.
    full_schema : pyarrow.Schema
        Names and types of all columns.
    feature_names : list of str
        Columns to learn from.
    target, weight : str or None
        Column to learn, column of sample weights.
    """

    shards: tuple[Shard, ...]
    full_schema: pa.Schema
    feature_names: list[str]
    target: str | None
    weight: str | None

    in_memory = False  # True when the rows themselves are held by this object
    sequential = False  # True when neighbouring shards share a row group: best read by one worker in order

    @abstractmethod
    def describe_place(self) -> str:
        """Return a short name of the dataset for messages."""

    @abstractmethod
    def raw_blocks(
        self, shard: Shard, columns: Sequence[str] | None = None, block_rows: int = BLOCK_ROWS
    ) -> Iterator[RawBlock]:
        """Decode a shard.

        Parameters
        ----------
        shard : Shard
            One of ``self.shards`` or a part of one.
        columns : sequence of str, optional
            Columns to decode; by default features, target and weight.
        block_rows : int
            Rows per block; the last one of a shard may be shorter.

        Yields
        ------
        RawBlock
            In row order; block boundaries depend on row indices only.

        Raises
        ------
        DataError
            When the file vanished, changed since planning, or holds damaged pages.
        """

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the feature columns."""
        return pa.schema([self.full_schema.field(name) for name in self.feature_names])

    @property
    def n_rows(self) -> int:
        """Number of rows in the shards of this source."""
        return sum(shard.n_rows for shard in self.shards)

    @property
    def needed(self) -> list[str]:
        """Names of the columns that training reads: features, target and weight."""
        return [*self.feature_names, *(name for name in (self.target, self.weight) if name)]

    def field_type(self, name: str) -> pa.DataType:
        """Return the Arrow type of any column in the files."""
        return self.full_schema.field(name).type

    def split(self, every: int = 5, offset: int = 0) -> tuple[Self, Self]:
        """Divide the shards into a training and a held-out source.

        Parameters
        ----------
        every : int
            One shard in `every` is held out, evenly over the dataset.
        offset : int
            Which of them, in ``[0, every)``.

        Raises
        ------
        DataError
            When there are too few shards to have both.
        """
        held = tuple(shard for shard in self.shards if shard.index % every == offset)
        kept = tuple(shard for shard in self.shards if shard.index % every != offset)
        if not held or not kept:
            raise DataError(
                f"{self.describe_place()}: {len(self.shards)} shards of {self.n_rows:,} rows are too few to hold "
                f"out one in {every}; give the held-out rows as files of their own"
            )
        return self.with_shards(kept), self.with_shards(held)

    def with_shards(self, shards: Sequence[Shard]) -> Self:
        """Return the same source restricted to `shards`."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.shards = tuple(shards)
        return other

    def only(self, shards: Sequence[Shard]) -> Self:
        """Return a source that can decode `shards` but carries no plan, to be sent to a worker."""
        return self.with_shards(())

    def release(self) -> None:  # noqa: B027  most sources keep nothing open
        """Close what is kept open between shards for whoever goes on reading."""

    def with_features(self, features: Sequence[str]) -> Self:
        """Return the same source with other feature columns, checked against the files."""
        other = self.with_shards(self.shards)
        other.feature_names = check_roles(
            self.full_schema, self.describe_place(), self.target, features, self.weight
        )
        return other

    def without_target(self) -> Self:
        """Return the same source as prediction sees it: no target, no weight."""
        other = self.with_shards(self.shards)
        other.target = other.weight = None
        return other

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.describe_place()!r}, target={self.target!r}, rows={self.n_rows:,}, "
            f"features={len(self.feature_names)}, shards={len(self.shards)})"
        )
