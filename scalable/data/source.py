"""What every source has: roles of columns and a plan of shards."""

from __future__ import annotations

import functools
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import pyarrow as pa

from scalable.data.block import BLOCK_ROWS, RawBlock
from scalable.data.columns import require_column
from scalable.data.fingerprint import Fingerprint, digest_of
from scalable.data.readers.stored import StoredColumns
from scalable.data.readers.tiles import TileReader
from scalable.data.roles import Roles
from scalable.data.selection import RowPart, Selection, divide
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
    roles : Roles
        What columns are for besides.
    """

    shards: tuple[Shard, ...]
    full_schema: pa.Schema
    feature_names: list[str]
    roles: Roles

    selection: Selection | None = None  # of rows within the shards
    copied_from: Mapping[str, Any] | None = None  # content of what these rows are a passing copy of
    called: str | None = None  # what messages call these rows, where they are a passing copy
    in_memory = False  # True when the rows themselves are held by this object
    far = False  # True when files are in an object store, where a request takes as long as decoding what it brings
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
    def target(self) -> str | None:
        """Column to learn."""
        return self.roles.target

    @property
    def weight(self) -> str | None:
        """Column of the weights of the rows."""
        return self.roles.weight

    def would_find(self, path: str | os.PathLike[str]) -> bool:
        """Return whether a file at `path` would belong to the rows when the same source is made again."""
        return False

    @abstractmethod
    def content(self) -> dict[str, Any]:
        """Return the parts of the fingerprint that tell where the rows come from."""

    def fingerprint(self) -> Fingerprint:
        """Return what the rows and columns of this source are, to be compared by whoever resumes or keeps work.

        Equal for all paths to the same files; files count by size and version, a table by what it holds.
        """
        return Fingerprint(dict(self.copied_from or self.content())).joined(
            shards=digest_of([[s.file, s.row_start, s.row_stop, s.first_row] for s in self.shards]),
            selection=self.selection or Selection(),
            roles=self.roles,
            features=self.feature_names,
        )

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the feature columns."""
        return pa.schema([self.full_schema.field(name) for name in self.feature_names])

    @property
    def n_rows(self) -> int:
        """Number of rows in the shards of this source: the most there can be, see `exact_rows`."""
        return sum(shard.n_rows for shard in self.shards)

    @property
    def exact_rows(self) -> int | None:
        """Number of rows that will be read; None where only reading tells, for a selection picks among them."""
        return self.n_rows if self.selection is None else None

    @property
    def needed(self) -> list[str]:
        """Names of the columns that training reads: features, target and weight."""
        return [*self.feature_names, *self.roles.learned_from]

    def field_type(self, name: str) -> pa.DataType:
        """Return the Arrow type of any column in the files."""
        return self._types[name]

    @functools.cached_property
    def _types(self) -> dict[str, pa.DataType]:
        """The types of all columns: to look one up in a schema takes a microsecond, for each column of each shard."""
        return dict(zip(self.full_schema.names, self.full_schema.types, strict=True))

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
            When there are too few shards to have both, or rows of one group could come apart.
        """
        if self.roles.group is not None:
            raise DataError(
                f"{self.describe_place()}: a split by shards would cut groups of rows ({self.roles.group!r}); give the "
                "held-out rows as files of their own"
            )
        held = tuple(shard for shard in self.shards if shard.index % every == offset)
        kept = tuple(shard for shard in self.shards if shard.index % every != offset)
        if not held or not kept:
            raise DataError(
                f"{self.describe_place()}: {len(self.shards)} shards of {self.n_rows:,} rows are too few to hold "
                f"out one in {every}; give the held-out rows as files of their own"
            )
        return self.with_shards(kept), self.with_shards(held)

    def split_rows(self, *shares: float, by: str | None = None, seed: int = 0) -> tuple[Self, ...]:
        """Divide the rows by a hash: the same row is in the same part on any machine and in any order.

        Parameters
        ----------
        *shares : float
            Sizes of the parts, relative to their sum, e.g. ``0.8, 0.1, 0.1``.
        by : str, optional
            Column whose equal values stay together, e.g. a customer; by default the row's index is hashed.
        seed : int
            Another seed is another split.

        Returns
        -------
        tuple of Source
            One a share. Rows of other parts are decoded too, so a split of shards is cheaper to read;
            `n_rows` counts the rows of the shards, of all parts, and `exact_rows` is None.

        Raises
        ------
        DataError
            When there is no column `by`.
        """
        if by is not None:
            require_column(self.full_schema, by, self.describe_place(), "split")
        return tuple(self.with_part(part) for part in divide(shares, by, seed))

    def with_part(self, part: RowPart) -> Self:
        """Return the same source with only those of its rows that are in a part; `exact_rows` is None then."""
        before = self.selection or Selection()
        other = self.with_shards(self.shards)
        other.selection = Selection(before.filters, (*before.parts, part))
        return other

    def _selected(
        self, read: Callable[[list[str]], Iterator[RawBlock]], names: list[str]
    ) -> Iterator[RawBlock]:
        """Yield blocks of the columns `names`, with the selected rows only."""
        for name in names:
            if name not in self._types:  # the message is made only where it is needed
                require_column(self.full_schema, name, self.describe_place(), "feature")
        selection = self.selection
        if selection is None:
            yield from read(names)
            return
        for block in read(list(dict.fromkeys([*names, *selection.columns]))):
            chosen = selection.apply(block, names)
            if chosen.n_rows:
                yield chosen
            del block, chosen  # before the next is decoded

    def stored(self, shard: Shard, names: Sequence[str]) -> StoredColumns | TileReader | None:
        """Return float32 columns of a shard in their file, for kernels that read it; None where that cannot be."""
        return None

    def expect(self, shard: Shard, columns: Sequence[str] | None = None) -> bool:
        """Tell that a shard will be read next, so that it is fetched meanwhile; return whether it is at hand now."""
        return True

    def forget(  # noqa: B027  most sources keep nothing
        self, shard: Shard, columns: Sequence[str] | None = None
    ) -> None:
        """Tell that a shard that was fetched will not be read again soon, so that no memory is kept for it."""

    def exceeds(self, n_bytes: int, shards: Sequence[Shard], columns: Sequence[str] | None = None) -> bool:
        """Return whether shards are known to take more than so many bytes of the page cache once they are read."""
        return False

    def places_to_cut(self, shard: Shard) -> list[int] | None:
        """Return the rows within a shard where it may be cut at no cost, ascending; None where that is anywhere."""
        return None

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
        other.feature_names = self.roles.features(self.full_schema, self.describe_place(), features)
        return other

    def with_group(self, name: str) -> Self:
        """Return the same source whose rows of one value of the column `name` belong together: it is no feature then.

        Raises
        ------
        DataError
            When there is no such column, or it is target or weight.
        """
        other = self.with_shards(self.shards)
        other.roles = replace(self.roles, group=name)
        kept = [feature for feature in self.feature_names if feature != name]
        other.feature_names = other.roles.features(self.full_schema, self.describe_place(), kept)
        return other

    def without_target(self) -> Self:
        """Return the same source as prediction sees it: no target, no weight."""
        other = self.with_shards(self.shards)
        other.roles = replace(self.roles, target=None, weight=None)
        return other

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.describe_place()!r}, target={self.target!r}, rows={self.n_rows:,}, "
            f"features={len(self.feature_names)}, shards={len(self.shards)})"
        )
