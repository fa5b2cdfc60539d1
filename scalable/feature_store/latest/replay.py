"""The join of latest values where events lie in order of time: they are replayed, and keys answered on the way.

Events are divided into courses of consecutive rows, keys into partitions of consecutive times. A course replays whom
its events are about, and when, over a record of the latest row of each entity that keys have, and answers its keys
where it stands at their times. What is known from earlier courses is settled afterwards, from the records that they
end with. Then values are read, of the rows that keys have. So each column is read once, and no event is sorted or
moved; that they are in order is seen while they pass. Where they are not, the view is joined as `stream` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from scalable.data.block import RawBlock
from scalable.data.shard import Shard
from scalable.data.source import Source
from scalable.data.values import read_only
from scalable.errors import DataError
from scalable.execution.executors import Executor
from scalable.execution.reader import BlockReader
from scalable.execution.work import GroupRows
from scalable.feature_store.bind import BoundView
from scalable.feature_store.latest.asked_keys import AskedKeys, no_keys, read_asked, write_answers
from scalable.feature_store.latest.courses import Courses, key_edges
from scalable.feature_store.latest.entity_numbers import open_numbers
from scalable.feature_store.latest.matches import Matches, are_there, gather_values, matches_of, value_paths
from scalable.feature_store.parts import JoinedView
from scalable.feature_store.spill import REMEDY, open_spills, read_partition, remove_spills, write_ordered
from scalable.feature_store.stages import (
    Columns,
    Partitions,
    event_heads,
    run_missing,
    spill_keys,
    when_known,
    write_counts,
)
from scalable.feature_store.value_words import Words
from scalable.kernels.buffers import aligned
from scalable.kernels.processors import available_processors
from scalable.kernels.timeline.latest_records import (
    answer_rest,
    carry_records,
    replay,
    settle_answers,
)
from scalable.storage.replace import explained

RECORD_BYTES = 2**27  # of the records of one course; more entities are joined as `stream` says


@dataclass(frozen=True)
class Paths:
    """Where a replay leaves its work.

    Attributes
    ----------
    keys : tuple of str
        Keys by part of the output, then by time.
    records : tuple of str
        By course: the latest event of each entity at its end.
    answered, settled : tuple of pair of str
        By partition: which rows keys have, and features of those that have none; of what earlier courses settle.
    waiting : tuple of str
        By partition: keys of which earlier courses may know more.
    refused : str
        There when events are in no order, or entities too many.
    """

    keys: tuple[str, ...]
    records: tuple[str, ...]
    answered: tuple[tuple[str, str], ...]
    settled: tuple[tuple[str, str], ...]
    waiting: tuple[str, ...]
    refused: str


def replay_view(
    executor: Executor, bound: BoundView, k: int, events: Source, courses: Courses, source: Source,
    parts: Sequence[tuple[Shard, ...]], time: str, work: Path, left: bool,
) -> JoinedView | None:  # fmt: skip
    """Write the features of the k-th view of all keys, as far as they are not; None where events are in no order."""
    name = bound.view.name
    refused = work / f"no-order-{name}"
    if refused.exists():
        return None
    edges = key_edges(bound, source, time, left, courses.begins)
    answered, unmatched, settled, unsettled, waiting = (
        tuple(str(work / f"{kind}-{name}-{p:05d}.spill") for p in range(len(edges)))
        for kind in ("answered", "unmatched", "settled", "unsettled", "waiting")
    )
    records = tuple(str(work / f"records-{name}-{group[0].index:06d}.spill") for group in courses.groups)
    both = tuple(tuple(zip(*each, strict=True)) for each in ((answered, unmatched), (settled, unsettled)))
    firsts = np.searchsorted(edges, courses.begins[1:], side="left").tolist()
    partitions = (0, *firsts, len(edges))
    matches, begin = matches_of(bound, events, len(parts)), partitions[1]
    matched, found = (*answered, *settled[begin:]), value_paths(matches, work, 0)
    rest = unsettled[begin:] if len(records) > 1 else ()
    if are_there(records):  # what was made with them and is still read is made again where some was removed
        wanted = () if are_there(found) else matched
        if not are_there(rest):
            wanted = (*(answered if found else ()), *waiting[begin:])
        if not are_there((*unmatched, *wanted)):
            remove_spills((*records, *rest))
    if not are_there((*records, *rest)):
        from_when = tuple(edge + int(left) for edge in edges)
        keys = spill_keys(executor, bound, k, source, parts, time, work, len(edges), from_when=from_when)
        paths = Paths(keys, records, both[0], both[1], waiting, str(refused))
        most = RECORD_BYTES // (8 * record_width(bound))
        known = open_numbers(bound, keys, most)  # held for all threads
        if known.n > most or not known.told_apart:
            refused.touch()
            return None
        task = ReplayEvents(matches, paths, courses, partitions, left)
        view = bound.view
        heads = [view.entity, view.event_time, *([view.created_time] if view.created_time else [])]
        reader = BlockReader(events, columns=tuple(dict.fromkeys(heads)))
        run_missing(
            executor, task, reader, courses.groups, [Path(path) for path in records], f"replay {name}"
        )
        if refused.exists():
            return None
        if rest:
            alone = BlockReader(Partitions([source.n_rows]))
            settling = SettleKeys(matches, paths, partitions, left)
            run_missing(executor, settling, alone, [alone.source.shards], [Path(rest[-1])], f"settle {name}")
        remove_spills((*keys, *waiting))
    values = gather_values(executor, matches, events, matched, found)
    return JoinedView(bound, (*unmatched, *rest, *values), records, values)


def record_words(bound: BoundView) -> int:
    """Return the words of a record: row, when it happened if somebody asks how long ago, and when it was created."""
    view = bound.view
    if view.created_time is not None:
        return 3
    return 1 if view.ttl is None and not view.time_since_last else 2


def record_width(bound: BoundView) -> int:
    """Return the words from record to record: none lies in two lines of the cache."""
    return 1 << (record_words(bound) - 1).bit_length()


@dataclass(frozen=True)
class ReplayEvents:
    """Replay a course of events and answer its keys; a task.

    Attributes
    ----------
    partitions : tuple of int
        First partition of the keys of each course, and the end of the last.
    """

    matches: Matches
    paths: Paths
    courses: Courses
    partitions: tuple[int, ...]
    left: bool

    def run(self, rows: GroupRows) -> None:
        """Do one course; where its events are in no order, say so and leave it."""
        course = [group[0].index for group in self.courses.groups].index(rows.group[0].index)
        state = _Replay(self, course)
        for k in range(len(rows.group)):
            if state.in_order and not Path(self.paths.refused).exists():
                rows.through(k, state, _Replay.block)
        ends = self.courses.begins[course + 1 : course + 2]
        if not state.in_order or any(state.cursor[2] > end for end in ends):
            Path(self.paths.refused).touch()
        elif not Path(self.paths.refused).exists():
            state.finish()


class _Replay:
    """A course under way: its records, and the keys of the partition that are answered next."""

    def __init__(self, task: ReplayEvents, course: int) -> None:
        bound = self._bound = task.matches.bound
        self._task, self._course = task, course
        self._width, self._counts = record_width(bound), Columns()
        self._known = open_numbers(bound, task.paths.keys, RECORD_BYTES // (8 * self._width))
        self._records = aligned((self._known.n * self._width,), np.int64)
        self._records.fill(0)
        self._next, self._end = task.partitions[course : course + 2]
        self._keys: AskedKeys | None = None
        self._none = no_keys(record_words(bound))
        self.cursor = np.array([0, 0, task.courses.begins[course]])
        self.in_order = True
        self._load()

    def block(self, block: RawBlock) -> _Replay:
        """Replay a block."""
        if not self.in_order:
            return self
        entity, check, event, created, missing = event_heads(self._bound, block, self._counts)
        entities = self._known.of(self._bound, entity, check, missing)
        times = [
            read_only(np.ascontiguousarray(each)) for each in (when_known(event, created), event, created)
        ]
        self.cursor[0] = 0
        while self.cursor[0] < block.n_rows:
            keys, more = self._keys or self._none, self._next < self._end
            self.in_order = bool(
                replay(
                    entities, *times, block.first_row, self._records, self._width, keys.times, keys.numbers, more,
                    keys.answers, self.cursor,
                )
            )  # fmt: skip
            if not self.in_order:
                break
            if self.cursor[0] < block.n_rows:
                self._write()
                self._load()
        return self

    def finish(self) -> None:
        """Answer the keys that are left, and write the records."""
        while self._keys is not None:
            answer_rest(self.cursor[1], self._keys.numbers, self._records, self._width, self._keys.answers)
            self._write()
            self._load()
        path = Path(self._task.paths.records[self._course])
        with explained(DataError, path, REMEDY):
            write_counts(path.with_suffix(".json"), self._counts.counts)
        last = self._course + 1 == len(self._task.paths.records)
        kept = self._records[:0] if last else self._records
        write_ordered(path, [kept], 1, np.array([0, len(kept)]))

    def _load(self) -> None:
        """Take the next partition of keys, if there is one."""
        self.cursor[1], self._keys = 0, None
        if self._next < self._end:
            task, words = self._task, record_words(self._bound)
            self._keys = read_asked(self._bound, task.paths.keys, self._known, words, task.left, self._next)
            self._next += 1

    def _write(self) -> None:
        """Write what is known of the keys of a partition, and those that earlier courses may know more of."""
        task, keys, partition = self._task, self._keys, self._next - 1
        assert keys is not None
        if self._course:
            final = keys.numbers < 0
            if self._bound.view.created_time is None:
                final |= keys.answers[0] != 0
            rest = keys.only(~final)
            waiting = [rest.times, rest.numbers, rest.places, *rest.answers]
            path = Path(task.paths.waiting[partition])
            write_ordered(path, waiting, len(waiting), np.array([0, len(rest.times)]))
            keys = keys.only(final)
        write_answers(task.matches, task.paths.answered[partition], keys, task.left)


@dataclass(frozen=True)
class SettleKeys:
    """Answer keys from what courses before theirs end with; a task."""

    matches: Matches
    paths: Paths
    partitions: tuple[int, ...]
    left: bool

    def run(self, rows: GroupRows) -> None:
        """Do all courses, one after another, their partitions on threads; the last of all is the last to be written."""
        width, words = record_width(self.matches.bound), record_words(self.matches.bound)
        before = _read_records(self.paths.records[0])
        with ThreadPoolExecutor(available_processors()) as pool:
            for course in range(1, len(self.paths.records)):
                here = range(*self.partitions[course : course + 2])
                for some in (here[:-1], here[-1:]):
                    list(pool.map(partial(self._settle, before), some))
                if course + 1 < len(self.paths.records):
                    records = _read_records(self.paths.records[course])
                    carry_records(before, records, width, words)
                    before = records
        rows.report(rows.group[0].n_rows, {})

    def _settle(self, before: Words, partition: int) -> None:
        """Answer the keys of a partition that earlier courses may know more of, from what these end with."""
        width = record_width(self.matches.bound)
        columns, _ = read_partition(open_spills(self.paths.waiting[partition : partition + 1]), 0)
        keys = AskedKeys(columns[0], columns[1], columns[2], columns[3:])
        if len(keys.numbers) and keys.numbers.max() * width >= len(before):
            raise DataError(f"{self.paths.waiting[partition]}: names entities that are not there; begin anew")
        settle_answers(keys.numbers, before, width, keys.answers)
        write_answers(self.matches, self.paths.settled[partition], keys, self.left)


def _read_records(path: str) -> Words:
    columns, _ = read_partition(open_spills([path]), 0)
    return np.asarray(columns[0])
