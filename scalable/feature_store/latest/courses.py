"""Events in order of time, as logs have them: courses of consecutive rows, and the keys that each answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scalable.data.shard import Shard
from scalable.data.source import Source
from scalable.execution.map_shards import group_shards
from scalable.feature_store.bind import BoundView
from scalable.feature_store.latest.stream import PARTITION_ROWS
from scalable.feature_store.stages import when_known
from scalable.feature_store.value_words import time_words
from scalable.kernels.timeline.words import MISSING

MOST_COURSES = 32
_LOOK_ROWS, _SAMPLE_ROWS = 2**12, 2**12  # of a shard, to see whether events are in order, and when keys are
_SAMPLE_SHARDS = 128  # of keys, at most twice as many


@dataclass(frozen=True)
class Courses:
    """Events in order of time, and when each course of them begins.

    Attributes
    ----------
    groups : tuple of tuple of Shard
    begins : tuple of int
        When the first event of each is known.
    """

    groups: tuple[tuple[Shard, ...], ...]
    begins: tuple[int, ...]


def count_courses(n_keys: int, n_events: int) -> int:
    """Return into how many courses events are divided: a power of two, the same for the same data, whoever works."""
    most = min(MOST_COURSES, max(2, n_events // (16 * n_keys)))
    return 1 << int(most).bit_length() - 1


def courses_of(bound: BoundView, events: Source, n_keys: int) -> Courses | None:
    """Return the courses of a view's events; None where windows are to be counted, or first rows have no order.

    The same for the same data, whoever works.
    """
    view = bound.view
    if view.aggregates:
        return None
    roles = {view.event_time: "event time"}
    if view.created_time is not None:
        roles.setdefault(view.created_time, "created time")
    groups = group_shards(events.shards, -(-events.n_rows // count_courses(n_keys, events.n_rows)))
    begins: list[int] = []
    for group in groups:
        block = next(iter(events.raw_blocks(group[0], tuple(roles), _LOOK_ROWS)), None)
        if block is None:
            return None
        times = [time_words(block, name, view.time_unit, role) for name, role in roles.items()]
        visible = when_known(times[0], times[-1])
        if (visible[1:] < visible[:-1]).any() or (begins and visible[0] < begins[-1]):
            return None
        begins.append(int(visible[0]))
    return Courses(tuple(groups), tuple(begins))


def key_edges(
    bound: BoundView, source: Source, time: str, left: bool, begins: Sequence[int]
) -> tuple[int, ...]:
    """Return from when on keys belong to each partition: about equally many by a sample; courses begin partitions.

    A time that several partitions begin with is shared among them.
    """
    n_partitions = -(-source.n_rows // PARTITION_ROWS)
    sample = [
        time_words(block, time, bound.view.time_unit, "time") - int(left)
        for shard in source.shards[:: max(1, len(source.shards) // _SAMPLE_SHARDS)]
        if (block := next(iter(source.raw_blocks(shard, (time,), _SAMPLE_ROWS)), None)) is not None
    ]
    times = np.sort(np.concatenate(sample)) if sample else np.zeros(1, np.int64)
    inner = times[len(times) * np.arange(1, n_partitions) // n_partitions]
    return (int(MISSING), *sorted([*inner.tolist(), *begins[1:]]))
