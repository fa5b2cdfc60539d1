"""Keys in order of time: read as they were spilled, answered by a replay, written as features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scalable.feature_store.bind import BoundView
from scalable.feature_store.latest.key_index import EntityNumbers, entity_names, places_of
from scalable.feature_store.latest.stream import known_ages, write_features
from scalable.feature_store.spill import open_spills, read_partition
from scalable.feature_store.value_words import Words
from scalable.kernels.timeline.latest_records import HEAD
from scalable.kernels.timeline.words import MISSING


@dataclass(frozen=True)
class AskedKeys:
    """Keys by time: when, the number of each one's entity, its place in the output, and what is answered."""

    times: Words
    numbers: Words
    places: Words
    answers: NDArray[np.int64]

    def only(self, at: NDArray[np.bool_]) -> AskedKeys:
        """Return some of them."""
        if at.all():
            return self
        return AskedKeys(self.times[at], self.numbers[at], self.places[at], self.answers.compress(at, axis=1))


_NONE = np.empty(0, np.int64)
NO_KEYS = AskedKeys(_NONE, _NONE, _NONE, np.empty((HEAD, 0), np.int64))


def read_asked(
    bound: BoundView, paths: Sequence[str], known: EntityNumbers, left: bool, partition: int
) -> AskedKeys:
    """Return the keys of a partition in order of time, nothing answered."""
    (entity, check, time, row), starts = read_partition(open_spills(paths), partition)
    order = np.argsort(time)
    found = known.find(*entity_names(bound, entity, check))[order]
    answers = np.empty((HEAD + len(bound.view.columns), len(time)), np.int64)
    return AskedKeys(time[order] - int(left), found, places_of(starts, row)[order], answers)


def write_answers(path: Path, bound: BoundView, keys: AskedKeys, left: bool, n_parts: int) -> None:
    """Write the features of answered keys."""
    view, answers = bound.view, keys.answers
    known, asked, event = answers[0] != 0, keys.times + int(left), answers[1]
    ages = known_ages(view, asked, event, known)
    values = {
        name: words if view.ttl is None else np.where(known, words, MISSING)
        for name, words in zip(view.columns, answers[HEAD:], strict=True)
    }
    write_features(path, bound, keys.places, values, ages, ages, n_parts)
