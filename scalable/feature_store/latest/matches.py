"""Which row of the events each key has, and the values of those rows: read once it is known who has them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

from scalable.data.block import RawBlock
from scalable.data.source import Source
from scalable.data.values import numbers, read_only
from scalable.errors import DataError
from scalable.execution.executors import Executor
from scalable.execution.map_shards import group_shards
from scalable.execution.reader import BlockReader
from scalable.execution.work import GroupRows
from scalable.feature_store import stages
from scalable.feature_store.bind import BoundView
from scalable.feature_store.definitions import View
from scalable.feature_store.latest.spilled_keys import PLACE_BITS
from scalable.feature_store.spill import REMEDY, open_spills, read_partition, remove_spills, write_spill
from scalable.feature_store.stages import joined_path, run_missing, write_texts
from scalable.feature_store.timeline import ages_of, words_of
from scalable.feature_store.value_words import Words, arrow_of, join_texts, value_words
from scalable.kernels.timeline.group import divide_rows, gather, group_rows
from scalable.kernels.timeline.words import MISSING, gather_float_words
from scalable.storage.replace import explained

_STRETCH = 2**12  # rows that are looked for together


@dataclass(frozen=True)
class Matches:
    """How keys with the rows that they have are written.

    Attributes
    ----------
    bound : BoundView
    firsts : tuple of int
        First row of each group of events whose values are read together; none for a view without values.
    n_parts : int
        Of the output.
    """

    bound: BoundView
    firsts: tuple[int, ...]
    n_parts: int

    def write(
        self, matched: Path, nothing: Path, places: Words, asked: Words, row: Words, event: Words
    ) -> None:
        """Write which row each key has, and the features of keys that have none, or want nothing of it but its age.

        Parameters
        ----------
        matched, nothing : Path
            The second is written last.
        places, asked : arrays of shape (n,), int64
            Of keys: place in the output, and time.
        row, event : arrays of shape (n,), int64
            Row that each has, negative for none, and when it happened, where somebody asks for that.
        """
        view, known = self.bound.view, row >= 0
        ages = known_ages(view, asked, event, known)
        has = known if self.firsts else np.zeros(len(known), np.bool_)
        if self.firsts:
            group, within = np.empty(len(row), np.int32), np.empty(len(row), np.int64)
            divide_rows(read_only(np.where(known, row, -1)), np.array(self.firsts, np.int64), group, within)
            columns = [within, places] + ([ages] if view.time_since_last else [])
            write_spill(matched, columns, group, len(self.firsts))
        none = np.full(int((~has).sum()), MISSING, np.int64)
        unmatched = ages[~has] if view.time_since_last else ages
        features = features_of(self.bound, places[~has], {}, none, unmatched)
        write_spill(nothing, features, check_parts(places[~has], self.n_parts, nothing), self.n_parts)


def matches_of(bound: BoundView, events: Source, n_parts: int) -> Matches:
    """Return how keys with rows of some events are written."""
    groups = group_shards(events.shards, stages.GROUP_ROWS) if bound.view.columns else []
    return Matches(bound, tuple(group[0].first_row for group in groups), n_parts)


def value_paths(matches: Matches, work: Path, first: int) -> list[Path]:
    """Return where the values of each group of events go, `first` on."""
    return [joined_path(work, matches.bound.view.name, first + g) for g in range(len(matches.firsts))]


def are_there(paths: Iterable[str | Path]) -> bool:
    """Return whether all of some files are there."""
    return all(Path(path).exists() for path in paths)


def gather_values(
    executor: Executor, matches: Matches, events: Source, matched: Sequence[str], found: Sequence[Path]
) -> tuple[str, ...]:
    """Write the values of the rows that keys have, as far as they are not; return the files.

    Those of the rows are removed then.
    """
    name = matches.bound.view.name
    groups = group_shards(events.shards, stages.GROUP_ROWS) if matches.firsts else []
    reader = BlockReader(events, columns=matches.bound.view.columns)
    task = GatherValues(matches, tuple(matched), tuple(map(str, found)))
    run_missing(executor, task, reader, groups, found, f"read {name}")
    remove_spills(matched)
    return task.found


def known_ages(view: View, asked: Words, event: Words, known: NDArray[np.bool_]) -> Words:
    """Let keys not know what is older than its time to live; return how old what is known is, if anybody wants that.

    `known` is changed.
    """
    if view.ttl is not None:
        known &= ages_of(asked, event) < np.uint64(view.ttl)
    if not view.time_since_last:
        return np.empty(0, np.int64)
    ages = words_of(ages_of(asked, event) / 1e9)
    ages[~known] = MISSING
    return ages


def check_parts(places: Words, n_parts: int, path: Path) -> NDArray[np.int32]:
    """Return the part of the output that each place is in."""
    parts = places >> PLACE_BITS
    if len(parts) and not 0 <= parts.min() <= parts.max() < n_parts:
        raise DataError(f"{path.parent}: keys of parts that are not there; begin anew")
    return parts.astype(np.int32)


def features_of(
    bound: BoundView, places: Words, values: dict[str, Words], none: Words, ages: Words
) -> list[Words]:
    """Return row within the part, then each feature; columns without values get `none`."""
    return [places & (2**PLACE_BITS - 1)] + [
        ages if feature.function == "time_since_last" else values.get(str(feature.column), none)
        for feature in bound.view.features
    ]


@dataclass
class Gathered:
    """The values of matched rows, block by block.

    Attributes
    ----------
    rows : array of shape (n,), int64
        Within the group, stretch by stretch of `_STRETCH` rows.
    starts : array of int64
        Where those of each stretch start, and the end of the last.
    values : dict of arrays of shape (n,), int64
        Words, as far as blocks went by.
    """

    rows: Words
    starts: Words
    values: dict[str, Words]
    texts: list[tuple[Words, pa.Array]] = field(default_factory=list)

    def among(self, first: int, stop: int) -> Words:
        """Return which have rows from `first` to the one before `stop`."""
        begin, end = self.starts[[first // _STRETCH, -(-stop // _STRETCH)]].tolist()
        found = np.arange(begin, end)
        if first % _STRETCH or stop % _STRETCH:
            rows = self.rows[begin:end]
            found = found[(rows >= first) & (rows < stop)]
        return found

    def take(self, block: RawBlock, first: int) -> Gathered:
        """Take the values of a block that begins with row `first`."""
        wanted = self.among(first, first + block.n_rows)
        for name, values in self.values.items():
            array = block.arrays[name]
            if pt.is_float64(array.type) and not array.null_count:
                bits = read_only(np.asarray(numbers(array)).view(np.int64))
                gather_float_words(bits, self.rows, wanted, first, values)
                continue
            taken = array.take(arrow_of(self.rows[wanted] - first))
            values[wanted], texts = value_words(with_few_texts(taken), name)
            if texts is not None:
                self.texts.append(texts)
        return self


@dataclass(frozen=True)
class GatherValues:
    """Write the values of the rows that keys have, of a group of shards; a task."""

    matches: Matches
    matched: tuple[str, ...]
    found: tuple[str, ...]

    def run(self, rows: GroupRows) -> None:
        """Do one group; shards of which no key has a row are not read."""
        first, bound = rows.group[0].first_row, self.matches.bound
        group = self.matches.firsts.index(first)
        path, n_rows = Path(self.found[group]), sum(shard.n_rows for shard in rows.group)
        columns, _ = read_partition(open_spills(self.matched), group)
        if len(columns[0]) and not 0 <= columns[0].min() <= columns[0].max() < n_rows:
            raise DataError(f"{self.matched[0]} and others name rows that are not there; begin anew")
        stretches, order = np.zeros(-(-n_rows // _STRETCH) + 2, np.int64), np.empty(len(columns[0]), np.int64)
        group_rows((columns[0] // _STRETCH).astype(np.int32), stretches, order)
        row, *others = [gathered(column, order) for column in columns]
        state = Gathered(
            row, stretches[:-1], {name: np.empty(len(row), np.int64) for name in bound.view.columns}
        )
        for k, shard in enumerate(rows.group):
            at = shard.first_row - first
            if len(state.among(at, at + shard.n_rows)):
                state = rows.through(
                    k, state, lambda state, block: state.take(block, block.first_row - first)
                )
            else:
                rows.report(shard.n_rows, {})
        if bound.text_columns:
            with explained(DataError, path, REMEDY):
                write_texts(path.with_suffix(".texts"), join_texts(state.texts))
        features = features_of(bound, others[0], state.values, row, others[-1])
        parts = check_parts(others[0], self.matches.n_parts, path)
        write_spill(path, features, parts, self.matches.n_parts)


def with_few_texts(array: pa.Array) -> pa.Array:
    """Return a column of texts without the texts that none of it has, where those are many; others as they are."""
    if not pt.is_dictionary(array.type) or len(array.dictionary) <= len(array):
        return array
    used = array.indices.unique().drop_null()
    return pa.DictionaryArray.from_arrays(pc.index_in(array.indices, used), array.dictionary.take(used))


def gathered(values: Words, rows: Words) -> Words:
    """Return ``values[rows]``."""
    out = np.empty(len(rows), np.int64)
    gather(values, rows, out)
    return out
