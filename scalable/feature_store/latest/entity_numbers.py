"""Numbers of the entities that keys have: what records of the latest events are found by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scalable.data.values import read_only
from scalable.execution.reader import ahead
from scalable.feature_store.bind import BoundView
from scalable.feature_store.latest.shared import Shared
from scalable.feature_store.spill import open_spills
from scalable.feature_store.stages import hashes_of, is_text_entity
from scalable.feature_store.value_words import Words
from scalable.kernels.buffers import aligned
from scalable.kernels.timeline.entity_buckets import PLACES, enter_numbers, find_numbers, number_range
from scalable.kernels.timeline.words import MISSING

_SPARSE = 4  # times as many numbers as keys, up to which a range of entities is numbered throughout
_SMALL = 2**16  # numbers that are few for any keys


class EntityRange:
    """Numbers of entities that are whole numbers close together: how far each is from the least.

    Attributes
    ----------
    least : int
        The entity of number 0.
    n : int
        How many numbers there are.
    """

    told_apart = True

    def __init__(self, least: int, n: int) -> None:
        self.least, self.n = least, n

    def of(self, bound: BoundView, entity: Words, check: Words, missing: NDArray[np.bool_]) -> Words:
        """Return the numbers of entities, -1 for those that have none."""
        found = np.empty(len(entity), np.int64)
        number_range(read_only(np.ascontiguousarray(entity)), missing, self.least, self.n, found)
        return found


class EntityNumbers:
    """Numbers of entities by first appearance, found by their hashes.

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

    def of(self, bound: BoundView, entity: Words, check: Words, missing: NDArray[np.bool_]) -> Words:
        """Return the numbers of entities, -1 for those that have none."""
        checks = check if is_text_entity(bound) else check[:0]
        return self.find(hashes_of(bound, entity), checks, missing)

    def find(self, words: Words, checks: Words, left_out: NDArray[np.bool_]) -> Words:
        """Return the numbers of entities, -1 for those that have none."""
        found = np.empty(len(words), np.int64)
        find_numbers(words, checks, left_out, self.buckets, self.members, found)
        return found


_numbers: Shared[EntityNumbers | EntityRange] = Shared()


def open_numbers(bound: BoundView, paths: Sequence[str], most: int) -> EntityNumbers | EntityRange:
    """Return the entities of all spilled keys, one for all threads of a process that have them open.

    Parameters
    ----------
    bound : BoundView
    paths : sequence of str
        What `SpillKeys` wrote by time.
    most : int
        Where there are more entities, no further ones are looked for.
    """

    def made() -> EntityNumbers | EntityRange:
        found = None if is_text_entity(bound) else _range_of(paths, most)
        return found or _numbered(bound, paths, most)

    return _numbers.of(paths, made)


def _range_of(paths: Sequence[str], most: int) -> EntityRange | None:
    """Return the range of the entities of spilled keys, where they are close together."""
    ends, n_keys = [], 0
    for file in open_spills(paths):
        entity = there = file.column(0)
        n_keys += len(entity)
        if (entity == MISSING).any():
            there = entity[file.column(2) >= 0]
        ends += [int(there.min()), int(there.max())] if len(there) else []
    if not ends:
        return EntityRange(0, 0)
    n = max(ends) - min(ends) + 1
    return EntityRange(min(ends), n) if n <= min(most, max(_SMALL, _SPARSE * n_keys)) else None


def _numbered(bound: BoundView, paths: Sequence[str], most: int) -> EntityNumbers:
    found = EntityNumbers(is_text_entity(bound))
    last = 3 if is_text_entity(bound) else 2
    columns = ((file.column(0), file.column(1), file.column(last)) for file in open_spills(paths))
    for entity, check, row in ahead(columns, 2):
        checks = check if is_text_entity(bound) else check[:0]
        found.enter(hashes_of(bound, entity), checks, row < 0)
        if found.n > most or not found.told_apart:
            break
    return found
