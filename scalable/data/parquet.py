"""Datasets as the learners see them: any Parquet, planned into shards, decoded column by column."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, repeat
from typing import Any

import pyarrow as pa

from scalable.data.block import BLOCK_ROWS, Origin, RawBlock
from scalable.data.columns import require_column
from scalable.data.files.delta import delta_of
from scalable.data.files.find import Paths, find_files
from scalable.data.files.partitions import constant_column, read_partitions, tell_of_both
from scalable.data.files.schemas import CommonSchema, common_schema, widened
from scalable.data.footers import Footer, read_footers
from scalable.data.readers import read_columns
from scalable.data.readers.cursor_pool import release
from scalable.data.readers.held import close_files, held
from scalable.data.readers.page_starts import entered_anywhere, page_starts, stored_bytes
from scalable.data.readers.readahead import exceed, expect_columns, expect_no_more, forget_columns
from scalable.data.readers.statistics import Doubts, Rows, check_statistics, possible_shards
from scalable.data.readers.stored import StoredColumns, find_stored
from scalable.data.readers.tiles import TileReader, find_tiles
from scalable.data.roles import Roles
from scalable.data.selection import Filters, read_filters
from scalable.data.shard import Shard, plan_shards
from scalable.data.source import Source
from scalable.data.types.pandas_metadata import index_columns, tell_of_index
from scalable.errors import DataError, DataWarning, StatisticsError, UsageError
from scalable.storage.files import is_local, store_of

_FLOAT32 = pa.float32().id
SCATTERED_BYTES = 2**27  # of cut row groups that are read in any order: an object's are then all kept


class ParquetSource(Source):
    """A dataset of Parquet files, read shard by shard and never held.

    Parameters
    ----------
    paths : str, path, or iterable of those
        A file, a directory (searched recursively), a glob, or a list of them; see `scalable.data.files.find`. Or a
        Delta table's directory, its newest version, or ``delta:PATH@VERSION``; see `scalable.data.files.delta`.
    target : str, optional
        The column to learn.
    features : sequence of str, optional
        The columns to learn from; by default all that have no role.
    exclude : sequence of str
        Columns to leave out of all that have no role, where `features` is not given.
    weight : str, optional
        The column of non-negative sample weights.
    filters : sequence of (column, operator, value), optional
        Only rows for which all conditions hold, or, given a list of such lists, all of any of them.
        Operators are ``== != < <= > >= in`` and ``not in``; no condition holds for a missing value.
        Row groups whose statistics exclude them are not read; one that turns out to be wrong is a `StatisticsError`,
        after which a learner begins anew without them;
        where all of them do, one of each file is looked into, of up to 32.
    group, time, entity : str, optional
        Columns of those roles, see `scalable.data.roles.Roles`.
    partitioning : str, mapping or None
        Whether directories such as ``year=2026`` are columns, and of which types; see
        `scalable.data.files.partitions.read_partitions`.
    statistics : bool
        Whether statistics are believed, where there are filters.

    Attributes
    ----------
    shards : tuple of Shard
        The plan, made from the footers alone.
    schema : pyarrow.Schema
        Names and types of the feature columns.
    pinned : dict
        Identity and version of the Delta table whose files these are; empty for other files.

    Raises
    ------
    DataError
        When no file is found, a file is damaged, columns in use differ between files in more than what one type
        holds without loss, a column is missing or of a type that cannot be learned from, or there are no rows.

    Examples
    --------
    >>> source = ParquetSource("transactions/", target="is_fraud")  # doctest: +SKIP
    >>> train, held_out = source.split(every=5)  # doctest: +SKIP
    """

    def __init__(
        self,
        paths: Paths,
        target: str | None = None,
        features: Sequence[str] | None = None,
        weight: str | None = None,
        filters: Filters | None = None,
        *,
        group: str | None = None,
        time: str | None = None,
        entity: str | None = None,
        partitioning: Any = "hive",
        exclude: Sequence[str] = (),
        statistics: bool = True,
    ) -> None:
        given = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
        table = delta_of([os.fspath(path) for path in given])
        self.pinned = {} if table is None else table.parts
        if table is not None:
            files, parts, given = table.files, table.partitioned(partitioning), [table.place]
        else:
            files = find_files(given)
            parts = read_partitions(files, partitioning)
        found = set(files)
        self._searched = [store_of(path).absolute(path) for path in given if os.fspath(path) not in found]
        footers, schemas = read_footers(files) if table is None else table.read_footers()
        where = files[0]
        common = common_schema(files, schemas)
        stored = common.schema.names
        self.partitions = {name: kind for name, kind in parts.types.items() if name not in stored}
        full = pa.schema([*common.schema, *(pa.field(*each) for each in self.partitions.items())])
        footers = [
            replace(
                footer,
                types=tuple(own.items()),
                partition=(*footer.partition, *((name, held[name]) for name in self.partitions)),
            )
            for footer, own, held in zip(footers, common.own, parts.values, strict=True)
        ]
        self.common = replace(common, schema=full, own=[])
        self.footers = dict(enumerate(footers))
        self.far = not all(map(is_local, files))
        self.roles = Roles(target, weight, group, time, entity)
        index = [name for name in index_columns(schemas[0]) if name not in self.roles.named.values()]
        if exclude and features is not None:
            raise UsageError(
                "features names the columns to learn from, exclude those to leave out; give one of them"
            )
        for name in exclude:
            require_column(full, name, where, "excluded")
        self.feature_names = self.roles.features(full, where, features, [*index, *parts.constant, *exclude])
        if features is None:
            _tell(where, index, common)
        for name in (parts.types.keys() & {*common.schema.names}) - parts.constant:
            if name in self.feature_names or name in self.roles.named.values():
                tell_of_both(where, name)
        self.full_schema = full
        self.shards = plan_shards(
            [footer.row_groups for footer in footers], lambda file, *rows: page_starts(footers[file], *rows)
        )
        if not self.shards:
            raise DataError(f"{where}: the dataset has no rows; check that its writer finished")
        self.selection = read_filters(filters, full, where)
        chosen = [] if self.selection is None else self.selection.columns
        self.common.check([*self.feature_names, *self.roles.named.values(), *chosen])
        self._planned, self._doubtful = self.shards, Doubts()
        self._looked_into = set[int]()  # files of which what was left out is as it should be
        if self.selection is not None and statistics:
            kept, left_out, self._doubtful = possible_shards(self.selection, self.shards, self.footers)
            self.shards = kept or self._all_if_lied_to(self.selection.filtered, left_out)
            if not self.shards:
                raise DataError(
                    f"{where}: no row group can hold rows that satisfy {filters!r}, as the files' statistics say; "
                    "correct the filter, or read all rows with statistics=False"
                )
        ends = [set(accumulate(footer.row_groups)) for footer in footers]
        divided = {shard.file for shard in self.shards if shard.row_stop not in ends[shard.file]}
        anywhere = all(entered_anywhere(footers[file], self.needed) for file in divided)
        n_bytes = sum(stored_bytes(footers[file], self.needed) for file in divided)
        self.sequential = not anywhere or n_bytes > SCATTERED_BYTES

    @property
    def paths(self) -> list[str]:
        """Files of the dataset, in order."""
        return [footer.path for footer in self.footers.values()]

    def would_find(self, path: str | os.PathLike[str]) -> bool:
        """Return whether a file would be among those behind the paths that were given."""
        return any(store_of(place).would_list(place, ".parquet", path) for place in self._searched)

    def content(self) -> dict[str, Any]:
        """Return the resolved path, size and version of each file; see `Source.fingerprint`."""
        known = [(footer.path, footer.version) for footer in self.footers.values()]
        files = [[store_of(path).resolved(path), now.size, now.tag] for path, now in known]
        types = {name: str(kind) for name, kind in self.partitions.items()}
        table = {"table": self.pinned} if self.pinned else {}
        return {"files": files, **({"partitions": types} if types else {}), **table}

    def only(self, shards: Sequence[Shard]) -> ParquetSource:
        """Return a source with the footers of `shards` and no plan; see `Source.only`."""
        other = self.with_shards(())
        other.footers = {file: self.footers[file] for file in sorted({shard.file for shard in shards})}
        other._planned = ()
        other._doubtful = {file: self._doubtful[file] for file in other.footers if file in self._doubtful}
        return other

    def release(self) -> None:
        """Close files kept open between shards, and expect no further ones."""
        paths = set(self.paths)
        release(paths)
        close_files(paths)
        expect_no_more(paths)

    def describe_place(self) -> str:
        """Return a short name of the dataset for messages."""
        first = next(iter(self.footers.values())).path
        if self.called is not None:
            return self.called
        n = len(self.footers)
        return first if n == 1 else f"{os.path.dirname(first) or '.'} ({n} files)"

    def raw_blocks(
        self, shard: Shard, columns: Sequence[str] | None = None, block_rows: int = BLOCK_ROWS
    ) -> Iterator[RawBlock]:
        """Decode a shard; see `Source.raw_blocks`."""
        names = list(self.needed if columns is None else columns)
        return self._selected(lambda wanted: self._decode(shard, wanted, block_rows), names)

    def stored(self, shard: Shard, names: Sequence[str]) -> StoredColumns | TileReader | None:
        """Return float32 columns of a shard in their file; see `Source.stored`."""
        footer, kinds = self.footers[shard.file], [self.field_type(name) for name in names]
        float32 = all(kind.id == _FLOAT32 for kind in kinds)
        elsewhere = dict(footer.types).keys() | dict(footer.partition).keys()
        if self.selection is not None or not float32 or not elsewhere.isdisjoint(names):
            return None
        try:
            with held(footer, names, shard.row_start, shard.row_stop) as here:
                rows = (kinds, names, shard.row_start, shard.row_stop)
                beside = () if here.place else self.roles.learned_from
                found, others = find_stored(here, *rows, beside)
                return find_tiles(here, *rows) if others else found
        except OSError:  # told by whoever reads the other columns
            return None

    def expect(self, shard: Shard, columns: Sequence[str] | None = None) -> bool:
        """Have a shard's columns read into the page cache; see `Source.expect`."""
        return expect_columns(self.footers[shard.file], self._read(columns), shard.row_start, shard.row_stop)

    def forget(self, shard: Shard, columns: Sequence[str] | None = None) -> None:
        """Have the page cache let go of a shard's columns; see `Source.forget`."""
        forget_columns(self.footers[shard.file], self._read(columns), shard.row_start, shard.row_stop)

    def exceeds(self, n_bytes: int, shards: Sequence[Shard], columns: Sequence[str] | None = None) -> bool:
        """Return whether columns of shards take more bytes of files of this machine; see `Source.exceeds`."""
        return not self.far and exceed(self.footers, self._read(columns), shards, n_bytes)

    def _read(self, columns: Sequence[str] | None) -> set[str]:
        chosen = [] if self.selection is None else self.selection.columns
        return {*(self.needed if columns is None else columns), *chosen}

    def places_to_cut(self, shard: Shard) -> list[int] | None:
        """Return where compressed pages begin, or nothing where no page is entered; see `Source.places_to_cut`."""
        footer = self.footers[shard.file]
        if not entered_anywhere(footer, self.needed):
            return []
        return page_starts(footer, shard.row_start, shard.row_stop) or None

    def with_features(self, features: Sequence[str]) -> ParquetSource:
        """Return the same source with other feature columns; see `Source.with_features`."""
        other = super().with_features(features)
        self.common.check(other.feature_names)
        return other

    def _decode(self, shard: Shard, names: list[str], block_rows: int) -> Iterator[RawBlock]:
        self.common.check(names)
        footer, done = self.footers[shard.file], 0
        doubted = self._doubted(shard)
        for arrays in self._columns(footer, shard, names, block_rows):
            n_rows = len(arrays[0]) if arrays else 0
            origin = Origin(self.called or footer.path, shard.row_start + done)
            found = dict(zip(names, arrays, strict=True))
            if doubted:
                check_statistics(footer, doubted, shard.row_start + done, found)
            yield RawBlock(found, shard.first_row + done, n_rows, origin)
            del arrays, found  # before the next are decoded
            done += n_rows

    def _doubted(self, shard: Shard) -> list[str]:
        """Return the columns by whose statistics row groups of a shard's file were left out, having looked into one."""
        if self.selection is None or shard.file not in self._doubtful:
            return []
        (first, others), doubted = self._doubtful[shard.file], self.selection.filtered
        if first == shard.row_start and shard.file not in self._looked_into:  # whoever reads the first left
            for footer, rows in others:
                self._look_into(doubted, footer, rows)
            self._looked_into.add(shard.file)
        return doubted

    def _look_into(self, doubted: list[str], footer: Footer, rows: Rows) -> None:
        row, stop = rows
        for arrays in self._columns(footer, Shard(0, 0, row, stop, 0), doubted, BLOCK_ROWS):
            check_statistics(footer, doubted, row, dict(zip(doubted, arrays, strict=True)))
            row += len(arrays[0])

    def _all_if_lied_to(self, doubted: list[str], left_out: dict[int, Rows]) -> tuple[Shard, ...]:
        """Where no row group is left, return all of them if statistics turn out to be wrong, else none."""
        try:
            for file, rows in left_out.items():
                self._look_into(doubted, self.footers[file], rows)
        except StatisticsError as found:
            warnings.warn(f"{found}; all row groups are read", DataWarning, stacklevel=3)
            return self.shards
        return ()

    def without_statistics(self) -> ParquetSource | None:
        """Return the same source with the row groups that were left out; None of a part of it, as of a split."""
        if (
            self.selection is None
            or self.shards != possible_shards(self.selection, self._planned, self.footers)[0]
        ):
            return None
        other = self.with_shards(self._planned)
        other._doubtful = {}
        return other

    def _columns(
        self, footer: Footer, shard: Shard, names: list[str], block_rows: int
    ) -> Iterator[list[pa.Array]]:
        """Yield columns of blocks: from the file as it has them, from its path, and in the dataset's types."""
        held, own = dict(footer.partition), dict(footer.types)
        rows = (shard.row_start, shard.row_stop, block_rows)
        if not held and own.keys().isdisjoint(names):
            yield from read_columns(footer, self.full_schema, names, *rows)
            return
        stored = [name for name in names if name not in held]
        schema = pa.schema([field.with_type(own.get(field.name, field.type)) for field in self.full_schema])
        sizes = (min(block_rows, shard.row_stop - row) for row in range(*rows))
        decoded = read_columns(footer, schema, stored, *rows) if stored else repeat(list[pa.Array]())
        for n_rows in sizes:
            found = dict(zip(stored, next(decoded), strict=True))
            for name in own.keys() & found.keys():
                found[name] = widened(found[name], name, self.field_type(name), footer.path)
            found.update(
                {n: constant_column(held[n], self.field_type(n), n_rows) for n in names if n in held}
            )
            yield [found.pop(name) for name in names]


def _tell(where: str, index: Sequence[str], common: CommonSchema) -> None:
    """Say which columns are no features although nobody left them out."""
    for name in index:
        tell_of_index(where, name)
    if common.extra:
        names = ", ".join(map(repr, common.extra[:6])) + (", ..." if len(common.extra) > 6 else "")
        warnings.warn(
            f"{where}: lacks columns that other files have, which are left out: {names}",
            DataWarning,
            stacklevel=3,
        )
