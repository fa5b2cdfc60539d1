"""The join of latest values where events lie in order of time: they are replayed, and keys answered on the way.

Events are divided into courses of consecutive rows, keys into partitions of consecutive times. A course replays its
events over a record of the latest of each entity that keys have, and answers its keys where it stands at their times.
What is known from earlier courses is settled afterwards, from the records that they end with. So events are read once,
with their values, and neither sorted nor moved; that they are in order is seen while they pass. Where they are not,
nothing is lost but the time, and the view is joined as `stream` says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.types as pt

from scalable.data.block import RawBlock
from scalable.data.shard import Shard
from scalable.data.source import Source
from scalable.data.values import numbers
from scalable.errors import DataError
from scalable.execution.executors import Executor
from scalable.execution.reader import BlockReader
from scalable.execution.work import GroupRows
from scalable.feature_store.bind import BoundView
from scalable.feature_store.latest.asked_keys import NO_KEYS, AskedKeys, read_asked, write_answers
from scalable.feature_store.latest.courses import Courses, key_edges
from scalable.feature_store.latest.kept_texts import KeptTexts
from scalable.feature_store.latest.key_index import open_numbers
from scalable.feature_store.parts import JoinedView
from scalable.feature_store.spill import REMEDY, open_spills, read_partition, write_ordered
from scalable.feature_store.stages import (
    Columns,
    Partitions,
    event_heads,
    hashes_of,
    run_missing,
    spill_keys,
    when_known,
    write_counts,
    write_texts,
)
from scalable.feature_store.value_words import Words, value_words
from scalable.kernels.buffers import aligned
from scalable.kernels.timeline.entity_buckets import BATCH
from scalable.kernels.timeline.latest_records import (
    HEAD,
    answer_rest,
    carry_records,
    replay,
    settle_answers,
)
from scalable.storage.replace import explained

RECORD_BYTES = 2**27  # of the records of one course; more entities are joined as `stream` says
_LINE = 8  # words of a cache line


@dataclass(frozen=True)
class Paths:
    """Where a replay leaves its work.

    Attributes
    ----------
    keys : tuple of str
        Keys by part of the output, then by time.
    records : tuple of str
        By course: the latest event of each entity at its end.
    answered, waiting, settled : tuple of str
        By partition: features of keys; keys of which earlier courses may know more; their features.
    refused : str
        There when events are in no order, or entities too many.
    """

    keys: tuple[str, ...]
    records: tuple[str, ...]
    answered: tuple[str, ...]
    waiting: tuple[str, ...]
    settled: tuple[str, ...]
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
    from_when = tuple(edge + int(left) for edge in edges)
    keys = spill_keys(executor, bound, k, source, parts, time, work, len(edges), from_when=from_when)
    answered, waiting, settled = (
        tuple(str(work / f"{kind}-{name}-{p:05d}.spill") for p in range(len(edges)))
        for kind in ("answered", "waiting", "settled")
    )
    records = tuple(str(work / f"records-{name}-{group[0].index:06d}.spill") for group in courses.groups)
    paths = Paths(keys, records, answered, waiting, settled, str(refused))
    most = RECORD_BYTES // (8 * record_width(bound))
    known = open_numbers(bound, keys, most)  # held for all threads
    if known.n > most or not known.told_apart:
        refused.touch()
        return None
    firsts = np.searchsorted(edges, courses.begins[1:], side="left").tolist()
    partitions = (0, *firsts, len(edges))
    task = ReplayEvents(bound, paths, courses, partitions, left)
    reader = BlockReader(events, columns=tuple(bound.read))
    run_missing(executor, task, reader, courses.groups, [Path(path) for path in records], f"replay {name}")
    if refused.exists():
        return None
    if len(records) > 1:
        alone = BlockReader(Partitions([source.n_rows]))
        settling = SettleKeys(bound, paths, partitions, left)
        run_missing(executor, settling, alone, [alone.source.shards], [Path(settled[-1])], f"settle {name}")
    return JoinedView(bound, (*answered, *settled[partitions[1] :]), records, records)


def record_width(bound: BoundView) -> int:
    """Return the words from record to record: none lies in two lines of the cache where one holds it."""
    words = HEAD + has_created(bound) + len(bound.view.columns)
    return 1 << (words - 1).bit_length() if words <= _LINE else -(-words // _LINE) * _LINE


def has_created(bound: BoundView) -> int:
    """Return whether records have created times, 0 or 1."""
    return int(bound.view.created_time is not None)


@dataclass(frozen=True)
class ReplayEvents:
    """Replay a course of events and answer its keys; a task.

    Attributes
    ----------
    partitions : tuple of int
        First partition of the keys of each course, and the end of the last.
    """

    bound: BoundView
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
        bound = task.bound
        self._task, self._course = task, course
        self._width, self._counts = record_width(bound), Columns()
        known = self._known = open_numbers(bound, task.paths.keys, RECORD_BYTES // (8 * self._width))
        self._records = aligned((known.n * self._width,), np.int64)
        self._records.fill(0)
        self._records[:: self._width] = known.members[0, : known.n]
        self._checks = known.entered()[1]
        self._late = has_created(bound)
        self._found, self._texts = np.empty(BATCH, np.int64), KeptTexts()
        columns = bound.view.columns
        self._text_rows = [HEAD + c for c, name in enumerate(columns) if name in bound.text_columns]
        self._answered: list[Words] = []  # texts of keys that were written
        self._next, self._end = task.partitions[course : course + 2]
        self._keys: AskedKeys | None = None
        self.cursor = np.array([0, 0, task.courses.begins[course]])
        self.in_order = True
        self._load()

    def block(self, block: RawBlock) -> _Replay:
        """Replay a block."""
        bound = self._task.bound
        if not self.in_order:
            return self
        entity, check, event, created, missing = event_heads(bound, block, self._counts)
        words = hashes_of(bound, entity)
        heads = [words, check, missing, when_known(event, created)]
        values, raw = [], 1
        for c, name in enumerate(bound.view.columns):
            array = block.arrays[name]
            if pt.is_float64(array.type) and not array.null_count:
                values.append(numbers(array))
                raw |= 2 << c
            else:
                words_of_values, texts = value_words(array, name)
                values.append(words_of_values)
                if texts is not None:
                    self._texts.add(texts)
        held = [np.ascontiguousarray(column) for column in (*heads, event, created, *values)]
        columns = np.array([column.ctypes.data for column in held], np.uint64)
        self.cursor[0] = 0
        while self.cursor[0] < block.n_rows:
            keys, more = self._keys or NO_KEYS, self._next < self._end
            self.in_order = bool(
                replay(
                    columns, block.n_rows, raw, self._known.buckets, self._checks, self._records, self._width,
                    self._late, keys.times, keys.numbers, more, keys.answers, self._found, self.cursor,
                )
            )  # fmt: skip
            if not self.in_order:
                break
            if self.cursor[0] < block.n_rows:
                self._write()
                self._load()
        self._texts.let_go(self._text_words)
        return self

    def _text_words(self) -> Iterator[Words]:
        """Yield the hashes of texts that keys have, or may get."""
        yield from self._answered
        records = self._records.reshape(-1, self._width)
        for c in self._text_rows:
            yield records[:, c + self._late]
            if self._keys is not None:
                yield self._keys.answers[c, : self.cursor[1]]

    def finish(self) -> None:
        """Answer the keys that are left, and write the records."""
        while self._keys is not None:
            answer_rest(
                self.cursor[1], self._keys.numbers, self._records, self._width, self._late, self._keys.answers
            )
            self._write()
            self._load()
        path = Path(self._task.paths.records[self._course])
        with explained(DataError, path, REMEDY):
            write_counts(path.with_suffix(".json"), self._counts.counts)
            if self._text_rows:
                write_texts(path.with_suffix(".texts"), self._texts.table())
        last = self._course + 1 == len(self._task.paths.records)
        kept = self._records[:0] if last else self._records
        write_ordered(path, [kept], 1, np.array([0, len(kept)]))

    def _load(self) -> None:
        """Take the next partition of keys, if there is one."""
        self.cursor[1], self._keys = 0, None
        if self._next < self._end:
            self._keys = read_asked(
                self._task.bound, self._task.paths.keys, self._known, self._task.left, self._next
            )
            self._next += 1

    def _write(self) -> None:
        """Write what is known of the keys of a partition, and those that earlier courses may know more of."""
        task, keys, partition = self._task, self._keys, self._next - 1
        assert keys is not None
        self._answered += [np.unique(keys.answers[c]) for c in self._text_rows]
        final = np.ones(len(keys.times), np.bool_)
        if self._course:
            final = keys.numbers < 0
            if task.bound.view.created_time is None:
                final |= keys.answers[0] != 0
            rest = keys.only(~final)
            waiting = [rest.times, rest.numbers, rest.places, *rest.answers]
            path = Path(task.paths.waiting[partition])
            write_ordered(path, waiting, len(waiting), np.array([0, len(rest.times)]))
        write_answers(
            Path(task.paths.answered[partition]),
            task.bound,
            keys.only(final),
            task.left,
            len(task.paths.keys),
        )


@dataclass(frozen=True)
class SettleKeys:
    """Answer keys from what courses before theirs end with; a task."""

    bound: BoundView
    paths: Paths
    partitions: tuple[int, ...]
    left: bool

    def run(self, rows: GroupRows) -> None:
        """Do all courses, one after another."""
        width, late = record_width(self.bound), has_created(self.bound)
        before = _read_records(self.paths.records[0])
        for course in range(1, len(self.paths.records)):
            for partition in range(*self.partitions[course : course + 2]):
                columns, _ = read_partition(open_spills(self.paths.waiting[partition : partition + 1]), 0)
                keys = AskedKeys(columns[0], columns[1], columns[2], columns[3:])
                if len(keys.numbers) and keys.numbers.max() * width >= len(before):
                    raise DataError(
                        f"{self.paths.waiting[partition]}: names entities that are not there; begin anew"
                    )
                settle_answers(keys.numbers, before, width, late, keys.answers)
                write_answers(
                    Path(self.paths.settled[partition]), self.bound, keys, self.left, len(self.paths.keys)
                )
            if course + 1 < len(self.paths.records):
                records = _read_records(self.paths.records[course])
                carry_records(before, records, width, late)
                before = records
        rows.report(rows.group[0].n_rows, {})


def _read_records(path: str) -> Words:
    columns, _ = read_partition(open_spills([path]), 0)
    return np.asarray(columns[0])
