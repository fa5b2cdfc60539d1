"""Keys sorted by entity and time, and found by the hash of an entity: what events are matched with."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from scalable.execution.reader import ahead
from scalable.execution.work import GroupRows
from scalable.feature_store.bind import BoundView
from scalable.feature_store.spill import open_spills, read_partition, write_ordered
from scalable.feature_store.stages import hashes_of, is_text_entity
from scalable.feature_store.timeline import entities_of, grouped
from scalable.feature_store.value_words import Words
from scalable.kernels.buffers import aligned
from scalable.kernels.timeline.entity_buckets import PLACES, enter_numbers, find_numbers
from scalable.kernels.timeline.passing_events import count_entities, enter_entities
from scalable.kernels.timeline.words import MISSING
from scalable.storage.files import store_of

T = TypeVar("T")
PLACE_BITS = 32  # of a place for the row


@dataclass(frozen=True)
class IndexKeys:
    """Write the keys of a partition by entity and time: hash, check of texts, time, place; a task.

    The place is part of the output and row within it, as `PLACE_BITS` divides them; negative for a key without entity.
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
        words, _, missing = entity_names(self.bound, entity, check)
        place = places_of(starts, row)
        columns = [words, time - int(self.left), np.where(missing, ~place, place)]
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
        sizes = [file.rows(0) for file in open_spills(paths)]
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


class EntityNumbers:
    """Numbers of the entities that keys have, by first appearance.

    Parameters
    ----------
    checked : bool
        Whether entities have more than their hashes to tell them apart.

    Attributes
    ----------
    n : int
        How many there are.
    told_apart : bool
        Whether the table is of use; see `enter_numbers`.
    buckets, members : arrays
        See `enter_numbers`.
    """

    def __init__(self, checked: bool = True) -> None:
        self.n, self.told_apart, self._rows = 0, True, 1 + checked
        self._make(2**9)

    def _make(self, n_buckets: int) -> None:
        self.buckets = aligned((n_buckets * PLACES,), np.int64)
        self.buckets.fill(0)
        self.members = np.empty((self._rows, n_buckets * PLACES // 2), np.int64)

    def enter(self, words: Words, checks: Words, left_out: NDArray[np.bool_]) -> None:
        """Give numbers to entities that have none; `checks` are empty where nothing is checked."""
        begin = 0
        while begin < len(words) and self.told_apart:
            told = np.array([begin, self.n])
            self.told_apart = bool(enter_numbers(words, checks, left_out, self.buckets, self.members, told))
            begin, self.n = told.tolist()
            if begin < len(words):
                kept, kept_checks = self.entered()
                self._make(2 * len(self.buckets) // PLACES)
                self.n, none = 0, np.zeros(len(kept), np.bool_)
                self.enter(kept, kept_checks, none)

    def entered(self) -> tuple[Words, Words]:
        """Return hashes and checks by number."""
        checks = self.members[1, : self.n] if len(self.members) > 1 else self.members[0, :0]
        return self.members[0, : self.n].copy(), checks.copy()

    def find(self, words: Words, checks: Words, left_out: NDArray[np.bool_]) -> Words:
        """Return the numbers of entities, -1 for those that have none."""
        found = np.empty(len(words), np.int64)
        find_numbers(words, checks, left_out, self.buckets, self.members, found)
        return found


def places_of(starts: Words, row: Words) -> Words:
    """Return places in the output of spilled keys: which of the spills, whose keys begin at `starts`, and the row."""
    return np.repeat(np.arange(len(starts) - 1, dtype=np.int64), np.diff(starts)) << PLACE_BITS | row


def entity_names(bound: BoundView, entity: Words, check: Words) -> tuple[Words, Words, NDArray[np.bool_]]:
    """Return hash and check (numbers have none) of the entities of spilled keys, and which keys have none."""
    missing = (entity == MISSING) & (check == MISSING + 1)
    return hashes_of(bound, entity), check if is_text_entity(bound) else check[:0], missing


_indices: weakref.WeakValueDictionary[object, KeyIndex] = weakref.WeakValueDictionary()
_numbers: weakref.WeakValueDictionary[object, EntityNumbers] = weakref.WeakValueDictionary()
_lock = threading.Lock()


def open_index(bound: BoundView, paths: Sequence[str]) -> KeyIndex:
    """Return the index of all keys, one for all threads of a process that have it open."""
    return _opened(_indices, paths, lambda: KeyIndex(bound, paths))


def open_numbers(bound: BoundView, paths: Sequence[str], most: int) -> EntityNumbers:
    """Return the entities of all spilled keys, one for all threads of a process that have them open.

    Parameters
    ----------
    bound : BoundView
    paths : sequence of str
        What `SpillKeys` wrote.
    most : int
        Where there are more entities, no further ones are looked for.
    """

    def made() -> EntityNumbers:
        found = EntityNumbers(is_text_entity(bound))
        names = (entity_names(bound, file.column(0), file.column(1)) for file in open_spills(paths))
        for each in ahead(names, 2):
            found.enter(*each)
            if found.n > most or not found.told_apart:
                break
        return found

    return _opened(_numbers, paths, made)


def _opened(held: weakref.WeakValueDictionary[object, T], paths: Sequence[str], make: Callable[[], T]) -> T:
    """Return what is held of some files in the state they are in, made where nothing is."""
    with _lock:
        name = tuple((path, store_of(path).version(path)) for path in paths)
        found = held.get(name)
        if found is None:
            found = held[name] = make()
        return found
