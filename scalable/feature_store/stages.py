"""The stages of a join: events and keys to partitions, each partition joined, the parts of the output put together.

Each stage writes whole files, so that a killed run goes on with what is missing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import ipc

from scalable.data.block import BLOCK_ROWS, RawBlock
from scalable.data.columns import column_kind
from scalable.data.roles import Roles
from scalable.data.shard import Shard
from scalable.data.source import Source
from scalable.data.types.logical import cast_exactly
from scalable.data.values import numbers
from scalable.errors import DataError
from scalable.execution.executors import Executor, run_shown
from scalable.execution.map_shards import group_shards
from scalable.execution.reader import BlockReader
from scalable.execution.work import GroupRows, Work
from scalable.feature_store.bind import BoundView
from scalable.feature_store.spill import REMEDY, partition_by_time, partition_of, write_parted
from scalable.feature_store.value_words import (
    TextTable,
    Words,
    entity_words,
    join_texts,
    text_hashes,
    time_words,
    value_words,
)
from scalable.kernels.timeline.words import MISSING, hash_entities
from scalable.storage.replace import explained, replacing

_NONE = np.empty(0, np.int64)
GROUP_ROWS = 2**20  # of a spilled file of events
COUNTS = ("events", "without entity", "created late", "created before they happened", "repeated")


def events_path(work: Path, view: str, shards: Sequence[Shard]) -> Path:
    """Return the spilled events of some shards of a view."""
    return work / f"events-{view}-{shards[0].index:06d}.spill"


def keys_path(work: Path, entity: int, shards: Sequence[Shard], by: str = "keys") -> Path:
    """Return the spilled keys of a part of the output, by the n-th entity column; `by` tells by what else."""
    return work / f"{by}-{entity}-{shards[0].index:06d}.spill"


def joined_path(work: Path, view: str, partition: int) -> Path:
    """Return the features of a partition."""
    return work / f"joined-{view}-{partition:05d}.spill"


def is_text_entity(bound: BoundView) -> bool:
    """Return whether entities are text, so that two words tell them apart."""
    return not pa.types.is_integer(bound.entity)


@dataclass
class Columns:
    """Columns of words that grow block by block."""

    parts: list[list[Words]] = field(default_factory=list)
    partitions: list[NDArray[np.int32]] = field(default_factory=list)
    texts: list[tuple[Words, pa.Array]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    latest: int = int(MISSING)  # time at which an event became known

    def add(self, columns: list[Words], partitions: NDArray[np.int32]) -> None:
        """Add the columns of a block."""
        self.parts.append(columns)
        self.partitions.append(partitions)

    def write(self, path: Path, n_partitions: int) -> None:
        """Write all of it."""
        partitions, columns = np.concatenate(self.partitions), list(zip(*self.parts, strict=True))
        whole = np.empty(len(partitions), np.int64)  # one for all: fresh memory costs more than filling it
        each = (np.concatenate(parts, out=whole) for parts in columns)
        write_parted(path, each, len(columns), partitions, n_partitions)


def event_heads(
    bound: BoundView, block: RawBlock, state: Columns
) -> tuple[Words, Words, Words, Words, NDArray[np.bool_]]:
    """Return entity, check, event time and created time of a block's events, and who has no entity.

    Counts go to `state`.
    """
    view = bound.view
    entity, check, missing = entity_words(block, view.entity)
    event = time_words(block, view.event_time, view.time_unit, "event time")
    created, counts = event, state.counts
    if view.created_time is not None:
        created = time_words(block, view.created_time, view.time_unit, "created time")
        counts["created late"] += int(np.count_nonzero(created > event))
        counts["created before they happened"] += int(np.count_nonzero(created < event))
    counts["events"] += block.n_rows
    counts["without entity"] += int(np.count_nonzero(missing))
    return entity, check, event, created, missing


def when_known(event: Words, created: Words) -> Words:
    """Return when events are known; `created` is `event` where nobody says when they were created."""
    return event if created is event else np.maximum(event, created)


def event_columns(
    bound: BoundView, block: RawBlock, state: Columns
) -> tuple[list[Words], Words, NDArray[np.bool_]]:
    """Return the words of a block's events (entity, check, event, created, values), their hashes, and who has none.

    Texts and counts go to `state`.
    """
    entity, check, event, created, missing = event_heads(bound, block, state)
    state.latest = max(state.latest, int(when_known(event, created).max(initial=MISSING)))
    words = []
    for name in bound.view.columns:
        array, kind = block.arrays[name], bound.types[name]
        if array.type != kind and column_kind(kind) in ("integer", "temporal"):  # of a store's first events
            array = cast_exactly(array, name, kind, block.place, "before")
        found, texts = value_words(array, name)
        words.append(found)
        if texts is not None:
            state.texts.append(texts)
    return [entity, check, event, created, *words], hashes_of(bound, entity), missing


def hashes_of(bound: BoundView, entity: Words) -> Words:
    """Return the hash of each entity: of text it is the first word already."""
    if is_text_entity(bound):
        return entity
    hashes = np.empty(len(entity), np.int64)
    hash_entities(np.ascontiguousarray(entity), hashes)
    return hashes


def leave_out(bound: BoundView, columns: list[Words]) -> list[Words]:
    """Return the columns of events without those that repeat another: check of whole numbers, missing created time."""
    entity, check, event, created, *words = columns
    head = [entity, check] if is_text_entity(bound) else [entity]
    times = [event] if bound.view.created_time is None else [event, created]
    return [*head, *times, *words]


def bring_back(bound: BoundView, columns: NDArray[np.int64]) -> tuple[Words, Words, Words, Words, Words]:
    """Return entity, check, event, created and values of what `leave_out` kept."""
    at = 2 if is_text_entity(bound) else 1
    last = at if bound.view.created_time is None else at + 1
    event = columns[at]
    created = event if last == at else columns[last]
    return columns[0], columns[at - 1], event, created, columns[last + 1 :]


@dataclass(frozen=True)
class SpillEvents:
    """Write the events of some shards by partition, their texts and counts; a task."""

    bound: BoundView
    work: str
    n_partitions: int

    def run(self, rows: GroupRows) -> None:
        """Do one group."""
        path = events_path(Path(self.work), self.bound.view.name, rows.group)
        state = rows.through_all(Columns(), self._block)
        with explained(DataError, path, REMEDY):
            if self.bound.text_columns:
                write_texts(path.with_suffix(".texts"), join_texts(state.texts))
            write_counts(path.with_suffix(".json"), {**state.counts, "latest": state.latest})
        state.write(path, self.n_partitions)

    def _block(self, state: Columns, block: RawBlock) -> Columns:
        columns, hashes, missing = event_columns(self.bound, block, state)
        partitions = partition_of(hashes, self.n_partitions)
        partitions[missing] = -1
        state.add(leave_out(self.bound, columns), partitions)
        return state


@dataclass(frozen=True)
class SpillKeys:
    """Write the keys of a part of the output by partition: entity, check, time, row within the part; a task.

    `given` are columns of a training set that is checked, in their words. Partitions are of the entities' hashes, or
    of times, `from_when` each on: then rows without entity are negative, and whole numbers have no check.
    """

    bound: BoundView
    entity: int
    time: str
    time_unit: str | None
    work: str
    n_partitions: int
    given: tuple[str, ...] = ()
    from_when: tuple[int, ...] = ()

    @property
    def by(self) -> str:
        """What the partitions are of, as their files are called."""
        return "times" if self.from_when else "keys"

    def run(self, rows: GroupRows) -> None:
        """Do one group."""
        state = rows.through_all(
            Columns(), lambda state, block: self._block(state, block, rows.group[0].first_row)
        )
        state.write(keys_path(Path(self.work), self.entity, rows.group, self.by), self.n_partitions)

    def _block(self, state: Columns, block: RawBlock, first_row: int) -> Columns:
        entity, check, missing = entity_words(block, self.bound.view.entity)
        time = time_words(block, self.time, self.time_unit, "time")
        row = np.arange(block.n_rows, dtype=np.int64) + (block.first_row - first_row)
        if self.from_when:
            head = [entity, check] if is_text_entity(self.bound) else [entity]
            where = np.where(missing, ~row, row) if missing.any() else row
            state.add([*head, time, where], partition_by_time(time, self.from_when))
            return state
        partitions = partition_of(hashes_of(self.bound, entity), self.n_partitions)
        if missing.any():
            entity, check = np.where(missing, MISSING, entity), np.where(missing, MISSING + 1, check)
        given = [value_words(block.arrays[name], name)[0] for name in self.given]
        state.add([entity, check, time, row, *given], partitions)
        return state


def spill_events(
    executor: Executor, bound: BoundView, events: Source, work: Path, n_partitions: int
) -> tuple[str, ...]:
    """Write the events of a view by partition, as far as they are not; return the files."""
    groups = group_shards(events.shards, GROUP_ROWS)
    paths = [events_path(work, bound.view.name, group) for group in groups]
    reader = BlockReader(events, columns=tuple(bound.read))
    task = SpillEvents(bound, str(work), n_partitions)
    run_missing(executor, task, reader, groups, paths, f"read {bound.view.name}")
    return tuple(map(str, paths))


def spill_keys(
    executor: Executor, bound: BoundView, k: int, source: Source, parts: Sequence[tuple[Shard, ...]], time: str,
    work: Path, n_partitions: int, given: tuple[str, ...] = (), from_when: tuple[int, ...] = (),
) -> tuple[str, ...]:  # fmt: skip
    """Write the keys of the k-th view by partition, as far as they are not; return the files."""
    task = SpillKeys(bound, k, time, bound.view.time_unit, str(work), n_partitions, given, from_when)
    paths = [keys_path(work, k, part, task.by) for part in parts]
    columns = tuple(dict.fromkeys([bound.view.entity, time, *given]))
    reader = BlockReader(source, columns=columns)
    run_missing(executor, task, reader, parts, paths, f"read keys of {bound.view.name}")
    return tuple(map(str, paths))


def run_missing(
    executor: Executor,
    task: Any,
    reader: BlockReader,
    groups: Sequence[tuple[Shard, ...]],
    paths: Sequence[Path],
    label: str,
) -> list[Any]:
    """Run a task on the groups whose files are not there."""
    left = tuple(group for group, path in zip(groups, paths, strict=True) if not path.exists())
    return run_shown(executor, Work(task, reader, left), label) if left else []


def write_counts(path: Path, counts: dict[str, int]) -> None:
    """Write what was counted in a piece of work, before the work itself."""
    with replacing(path, durable=False) as file:
        file.write(json.dumps(counts).encode())


def write_texts(path: Path, table: TextTable) -> None:
    """Write texts by hash, as an Arrow file."""
    rows = pa.table({"hash": table.hashes, "text": table.texts})
    with replacing(path, durable=False) as file, ipc.new_file(file, rows.schema) as writer:
        writer.write_table(rows)


def read_texts(paths: Sequence[Path]) -> TextTable:
    """Return the texts of several files as one table."""
    pairs = []
    for path in paths:
        try:
            with ipc.open_file(str(path)) as file:
                found = file.read_all().combine_chunks()
            found.validate(full=True)
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"{path}: is damaged ({error}); remove it, then --resume") from None
        hashes = np.concatenate(
            [np.asarray(numbers(chunk)) for chunk in found.column("hash").chunks] or [_NONE]
        )
        texts = pa.concat_arrays(found.column("text").chunks) if len(found) else pa.array([], pa.string())
        if not np.array_equal(text_hashes(texts)[0], hashes):
            raise DataError(f"{path}: is damaged; remove it, then --resume")
        pairs.append((hashes, texts))
    return join_texts(pairs)


class Partitions(Source):
    """Partitions with the face of a source's shards, so that any executor hands them out."""

    roles = Roles()

    def __init__(self, sizes: Sequence[int]) -> None:
        self.shards = tuple(Shard(p, p, 0, max(1, n), 0) for p, n in enumerate(sizes))
        self.full_schema, self.feature_names = pa.schema([]), []

    def describe_place(self) -> str:
        """Return a short name."""
        return "partitions"

    def content(self) -> dict[str, Any]:
        """Return nothing: they are no data of their own."""
        return {}

    def raw_blocks(
        self, shard: Shard, columns: Sequence[str] | None = None, block_rows: int = BLOCK_ROWS
    ) -> Iterator[RawBlock]:
        """Yield nothing: tasks read what is spilled."""
        return iter(())
