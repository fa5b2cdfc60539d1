"""Keys in order of time: read as they were spilled, answered by a replay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scalable.feature_store.bind import BoundView
from scalable.feature_store.latest.entity_numbers import EntityNumbers, EntityRange
from scalable.feature_store.latest.matches import Matches, gathered
from scalable.feature_store.latest.spilled_keys import places_of
from scalable.feature_store.spill import open_spills, read_partition
from scalable.feature_store.value_words import Words


@dataclass(frozen=True)
class AskedKeys:
    """Keys by time: when, the number of each one's entity, its place in the output, and what is answered.

    Times are those by which an event must be known; answers as `replay` has them.
    """

    times: Words
    numbers: Words
    places: Words
    answers: NDArray[np.int64]

    def only(self, at: NDArray[np.bool_]) -> AskedKeys:
        """Return some of them."""
        if at.all():
            return self
        return AskedKeys(self.times[at], self.numbers[at], self.places[at], self.answers.compress(at, axis=1))


def no_keys(words: int) -> AskedKeys:
    """Return no keys, with room for answers of so many words."""
    none = np.empty(0, np.int64)
    return AskedKeys(none, none, none, np.empty((words, 0), np.int64))


def read_asked(
    bound: BoundView,
    paths: Sequence[str],
    known: EntityNumbers | EntityRange,
    words: int,
    left: bool,
    partition: int,
) -> AskedKeys:
    """Return the keys of a partition in order of time, with room for answers of so many words."""
    (entity, *checks, time, row), starts = read_partition(open_spills(paths), partition)
    order = np.argsort(time)
    numbers = known.of(bound, entity, checks[0] if checks else entity, row < 0)
    places = places_of(starts, np.where(row < 0, ~row, row))
    times, numbers, places = (gathered(column, order) for column in (time - int(left), numbers, places))
    return AskedKeys(times, numbers, places, np.empty((words, len(time)), np.int64))


def write_answers(matches: Matches, paths: tuple[str, str], keys: AskedKeys, left: bool) -> None:
    """Write which rows answered keys have, and the features of those that have none."""
    matched, nothing = map(Path, paths)
    event = keys.answers[min(1, len(keys.answers) - 1)]  # nobody asks for it where it is not there
    matches.write(matched, nothing, keys.places, keys.times + int(left), keys.answers[0] - 1, event)
