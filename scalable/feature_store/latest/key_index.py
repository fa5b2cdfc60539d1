"""Keys sorted by entity and time, and found by the hash of an entity: what events are matched with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scalable.execution.work import GroupRows
from scalable.feature_store.bind import BoundView
from scalable.feature_store.latest.shared import Shared
from scalable.feature_store.latest.spilled_keys import places_of, without_entity
from scalable.feature_store.spill import open_spills, read_partition, write_ordered
from scalable.feature_store.stages import hashes_of, is_text_entity
from scalable.feature_store.timeline import entities_of, grouped
from scalable.feature_store.value_words import Words
from scalable.kernels.timeline.passing_events import count_entities, enter_entities


@dataclass(frozen=True)
class IndexKeys:
    """Write the keys of a partition by entity and time: hash, check of texts, time, place; a task.

    The place is part of the output and row within it, as `places_of` has them; negative for a key without entity.
    """

    bound: BoundView
    keys: tuple[str, ...]
    out: tuple[str, ...]
    left: bool

    def run(self, rows: GroupRows) -> None:
        """Do one partition."""
        partition = rows.group[0].index
        keys, starts = read_partition(open_spills(self.keys), partition)
        entity, check, time, row = keys
        entities = entities_of(entity, check)
        order, *_ = grouped(entities.groups, entities.n, time, time)
        place = places_of(starts, row)
        places = np.where(without_entity(entity, check), ~place, place)
        columns = [hashes_of(self.bound, entity), time - int(self.left), places]
        if is_text_entity(self.bound):
            columns.insert(1, check)
        ordered = (column[order] for column in columns)
        write_ordered(Path(self.out[partition]), ordered, len(columns), np.array([0, len(order)]))
        rows.report(rows.group[0].n_rows, {})


def read_index(path: str) -> tuple[Words, Words, Words, Words]:
    """Return hashes, checks, times and places of the sorted keys of a partition."""
    found, _ = read_partition(open_spills([path]), 0)
    return found[0], found[-3], found[-2], found[-1]  # the check of a number is its hash


class KeyIndex:
    """All keys by entity and time, for events to find theirs.

    Parameters
    ----------
    bound : BoundView
    paths : sequence of str
        What `IndexKeys` wrote.

    Attributes
    ----------
    slots, times, checks : arrays
        See `enter_entities` and `offer_events`.
    starts : array
        First key of each partition, and the end of the last.
    """

    def __init__(self, bound: BoundView, paths: Sequence[str]) -> None:
        sizes = [file.sizes[0] for file in open_spills(paths)]
        self.starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        n = int(self.starts[-1])
        words, self.times, places = (np.empty(n, np.int64) for _ in range(3))
        checks = np.empty(n, np.int64) if is_text_entity(bound) else words
        for path, start, end in zip(paths, self.starts, self.starts[1:], strict=False):
            each = read_index(path)
            for column, read in zip((words, checks, self.times, places), each, strict=True):
                column[start:end] = read
        n_slots = 1 + 3 * int(count_entities(words, checks, places)) // 2
        self.slots = np.zeros(2 * n_slots, np.int64)
        enter_entities(words, checks, places, self.slots)
        self.checks = checks if is_text_entity(bound) else checks[:0].copy()


_indices: Shared[KeyIndex] = Shared()


def open_index(bound: BoundView, paths: Sequence[str]) -> KeyIndex:
    """Return the index of all keys, one for all threads of a process that have it open."""
    return _indices.of(paths, lambda: KeyIndex(bound, paths))
