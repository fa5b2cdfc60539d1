"""The join of latest values alone: keys wait in memory, and each event passes once, unmoved.

No window has to be counted then, only the latest event of each key is wanted. Which one that is takes the entities and
times of the events; their values are read afterwards, of those rows that some key has, and go to the output's parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scalable.data.block import RawBlock
from scalable.data.shard import Shard
from scalable.data.source import Source
from scalable.errors import DataError
from scalable.execution.executors import Executor
from scalable.execution.map_shards import group_shards
from scalable.execution.reader import BlockReader
from scalable.execution.work import GroupRows
from scalable.feature_store.bind import BoundView
from scalable.feature_store.latest.key_index import IndexKeys, open_index, read_index
from scalable.feature_store.latest.matches import Matches, are_there, gather_values, matches_of, value_paths
from scalable.feature_store.parts import JoinedView
from scalable.feature_store.spill import REMEDY, open_spills, read_partition, remove_spills, write_ordered
from scalable.feature_store.stages import (
    Columns,
    Partitions,
    event_heads,
    hashes_of,
    joined_path,
    run_missing,
    spill_keys,
    when_known,
    write_counts,
)
from scalable.kernels.timeline.passing_events import (
    BATCH,
    carry_forward,
    keep_later,
    offer_events,
)
from scalable.kernels.timeline.words import MISSING
from scalable.storage.replace import explained

MOST_KEYS = 2**24  # more go through partitions
PARTITION_ROWS = 2**18  # keys that are sorted at once
_MOST_STREAMS = 32  # of events, each with an event a key: 16 or 24 bytes
_KEPT_KEYS = 2**25  # of all streams together, at least two


def streams(bound: BoundView, n_keys: int) -> bool:
    """Return whether a view is joined so: by latest values only, of keys that memory holds."""
    return not bound.view.aggregates and n_keys <= MOST_KEYS


def count_streams(n_keys: int, n_events: int) -> int:
    """Return into how many streams events are divided: a power of two, the same for the same data, whoever works."""
    most = min(_MOST_STREAMS, max(2, _KEPT_KEYS // n_keys), max(2, n_events // (4 * n_keys)))
    return int(1 << (int(most).bit_length() - 1))


@dataclass(frozen=True)
class Paths:
    """Where the stages of a view leave their work.

    Attributes
    ----------
    keys, index : tuple of str
        Keys by part of the output, then by partition, sorted by entity and time.
    best : tuple of str
        The latest event of each key, by stream.
    matches, nothing : tuple of str
        By partition of the keys: which row of the events each has, and the features of those that have none.
    """

    keys: tuple[str, ...]
    index: tuple[str, ...]
    best: tuple[str, ...]
    matches: tuple[str, ...]
    nothing: tuple[str, ...]


def stream_view(
    executor: Executor, bound: BoundView, k: int, events: Source, source: Source,
    parts: Sequence[tuple[Shard, ...]], time: str, work: Path, left: bool,
) -> JoinedView:  # fmt: skip
    """Write the features of the k-th view of all keys, as far as they are not."""
    name = bound.view.name
    n_keys, n_events = source.n_rows, events.n_rows
    n_partitions = -(-n_keys // PARTITION_ROWS)
    courses = group_shards(events.shards, -(-n_events // count_streams(n_keys, n_events)))
    keys = spill_keys(executor, bound, k, source, parts, time, work, n_partitions)
    by_partition = [
        tuple(str(work / f"{kind}-{name}-{p:05d}.spill") for p in range(n_partitions))
        for kind in ("index", "matches")
    ]
    best = tuple(str(work / f"best-{name}-{course[0].index:06d}.spill") for course in courses)
    nothing = tuple(str(joined_path(work, name, p)) for p in range(n_partitions))
    paths = Paths(keys, by_partition[0], best, by_partition[1], nothing)

    reader = BlockReader(Partitions([PARTITION_ROWS] * n_partitions))
    alone = [(shard,) for shard in reader.source.shards]
    indexing = IndexKeys(bound, paths.keys, paths.index, left)
    run_missing(executor, indexing, reader, alone, _all(paths.index), f"sort keys of {name}")
    heads = [bound.view.entity, bound.view.event_time, bound.view.created_time]
    columns = tuple(dict.fromkeys(each for each in heads if each is not None))
    run_missing(
        executor, OfferEvents(bound, paths, tuple(course[0].index for course in courses)),
        BlockReader(events, columns=columns), courses, _all(best), f"match {name}",
    )  # fmt: skip
    matches = matches_of(bound, events, len(parts))
    settling = SettleKeys(matches, paths, left)
    found = value_paths(matches, work, n_partitions)
    if not are_there(found) and not are_there(paths.matches if found else ()):
        remove_spills(
            nothing
        )  # whatever somebody removed of what they were made with is made again with them
    run_missing(executor, settling, reader, alone, _all(nothing), f"settle {name}")
    values = gather_values(executor, matches, events, paths.matches, found)
    return JoinedView(bound, (*nothing, *values), best, values)


def _all(paths: Sequence[str]) -> list[Path]:
    return [Path(path) for path in paths]


def _width(bound: BoundView) -> int:
    """Return the words of a kept event: time, row, and created time where there is one."""
    return 2 if bound.view.created_time is None else 3


@dataclass(frozen=True)
class OfferEvents:
    """Let a stream of events pass, and write the latest of each key; a task."""

    bound: BoundView
    paths: Paths
    firsts: tuple[int, ...]

    def run(self, rows: GroupRows) -> None:
        """Do one stream."""
        path = Path(self.paths.best[self.firsts.index(rows.group[0].index)])
        index, width = open_index(self.bound, self.paths.index), _width(self.bound)
        best = np.full((len(index.times), width), MISSING, np.int64)
        best[:, 1] = -1
        found, flat = np.empty(BATCH, np.int64), best.reshape(-1)

        def offer(state: Columns, block: RawBlock) -> Columns:
            entity, check, event, created, missing = event_heads(self.bound, block, state)
            visible = when_known(event, created)
            offer_events(
                hashes_of(self.bound, entity), check, missing, visible, event, created, block.first_row,
                index.slots, index.times, index.checks, found, width, flat,
            )  # fmt: skip
            return state

        state = rows.through_all(Columns(), offer)
        with explained(DataError, path, REMEDY):
            write_counts(path.with_suffix(".json"), state.counts)
        write_ordered(path, [flat], 1, index.starts * width)


@dataclass(frozen=True)
class SettleKeys:
    """Write which row of the events each key of a partition has, and the features of keys that have none; a task."""

    matches: Matches
    paths: Paths
    left: bool

    def run(self, rows: GroupRows) -> None:
        """Do one partition."""
        partition = rows.group[0].index
        words, checks, times, places = read_index(self.paths.index[partition])
        kept = [
            read_partition([file], partition)[0].reshape(-1, _width(self.matches.bound))
            for file in open_spills(self.paths.best)
        ]
        best = kept[0]
        for other in kept[1:]:
            keep_later(best, other)
        carry_forward(words, checks, places, best)
        places = np.where(places < 0, ~places, places)
        matched, nothing = (Path(each[partition]) for each in (self.paths.matches, self.paths.nothing))
        self.matches.write(matched, nothing, places, times + int(self.left), best[:, 1], best[:, 0])
        rows.report(rows.group[0].n_rows, {})
