"""One partition: its events and keys loaded, sorted by entity and time, and joined."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scalable.errors import DataError
from scalable.execution.work import GroupRows
from scalable.feature_store.bind import BoundView
from scalable.feature_store.spill import REMEDY, open_spills, read_partition, write_spill
from scalable.feature_store.stages import bring_back, joined_path, write_counts
from scalable.feature_store.timeline import Timeline, entities_of, grouped
from scalable.feature_store.value_words import Words
from scalable.storage.replace import explained


@dataclass
class Loaded:
    """The events and keys of a partition.

    Attributes
    ----------
    timeline : Timeline
    columns : array of shape (n_columns, n_keys), int64
        Entity, check, time and row of the keys, and what else was spilled, as they were given.
    parts : array of shape (n_keys,), int32
        Part of the output of each key.
    order, starts : arrays
        Keys by entity and time, and where entities start.
    """

    timeline: Timeline
    columns: NDArray[np.int64]
    parts: NDArray[np.int32]
    order: Words
    starts: Words

    def features(self, left: bool) -> list[Words]:
        """Return the words of the features of the keys in the order of `order`; `left` leaves the time itself out."""
        asked = self.columns[2][self.order]
        return self.timeline.features(asked - int(left), self.starts, asked)


@dataclass(frozen=True)
class Spilled:
    """Where the events and keys of a view are.

    Attributes
    ----------
    bound : BoundView
    work : str
        Directory.
    events, keys : tuple of str
        Spilled files, in the order of the rows.
    """

    bound: BoundView
    work: str
    events: tuple[str, ...]
    keys: tuple[str, ...]

    def load(self, partition: int) -> Loaded:
        """Return one partition."""
        keys, starts = read_partition(open_spills(self.keys), partition)
        entities = entities_of(keys[0], keys[1])
        order, key_starts, *_ = grouped(entities.groups, entities.n, keys[2], keys[3])
        found, _ = read_partition(open_spills(self.events), partition)
        entity, check, event, created, words = bring_back(self.bound, found)
        groups = entities.find(entity, check)
        timeline = Timeline(self.bound, groups, entities.n, event, created, words)
        parts = np.repeat(np.arange(len(starts) - 1, dtype=np.int32), np.diff(starts))
        return Loaded(timeline, keys, parts, order, key_starts)


@dataclass(frozen=True)
class JoinPartition:
    """Write the features of the keys of a partition, by part of the output; a task."""

    spilled: Spilled
    left: bool

    def run(self, rows: GroupRows) -> None:
        """Do one partition."""
        shard = rows.group[0]
        loaded = self.spilled.load(shard.index)
        out = [loaded.columns[3]]
        for words in loaded.features(self.left):
            column = np.empty(len(words), np.int64)
            column[loaded.order] = words
            out.append(column)
        path = joined_path(Path(self.spilled.work), self.spilled.bound.view.name, shard.index)
        with explained(DataError, path, REMEDY):
            write_counts(path.with_suffix(".json"), {"repeated": loaded.timeline.repeated})
        write_spill(path, out, loaded.parts, len(self.spilled.keys))
        rows.report(shard.n_rows, {})
