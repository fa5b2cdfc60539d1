"""The point-in-time join: for each key and time, the features as they were known then.

Events and keys go to partitions by a hash of the entity; each partition fits in memory, is sorted by entity and time,
and joined by one walk through both; what comes out goes to its part of the output, in the order of the keys.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scalable.data.shard import Shard
from scalable.data.source import Source
from scalable.errors import DataError, UsageError
from scalable.execution.executors import Executor, run_shown
from scalable.execution.map_shards import group_shards
from scalable.execution.reader import BlockReader
from scalable.execution.threads import Threads
from scalable.execution.work import Work
from scalable.feature_store.bind import BoundView, check_keys, keys_source, open_view
from scalable.feature_store.definitions import Definitions
from scalable.feature_store.partition import JoinPartition, Spilled
from scalable.feature_store.parts import WritePart, output_schema
from scalable.feature_store.read_definitions import read_definitions
from scalable.feature_store.stages import (
    COUNTS,
    Partitions,
    SpillEvents,
    SpillKeys,
    events_path,
    joined_path,
    keys_path,
    read_texts,
    write_texts,
)
from scalable.scoring.parts import part_path, part_rows, plan_parts
from scalable.scoring.predict_files import prepare
from scalable.storage.documents import understood
from scalable.storage.places import local_place
from scalable.storage.replace import explained, write_text

JOB, COUNTED, WORK = "_join.json", "_counts.json", "_join"  # readers of datasets skip names that start so
GROUP_ROWS = 2**20  # of a spilled file of events
PARTITION_ROWS = 2**19  # of events or keys: what a worker holds at once
_MOST_PARTITIONS = 4096


@dataclass(frozen=True)
class Joined:
    """What a join did.

    Attributes
    ----------
    rows : int
        Rows written by this call.
    counts : dict
        By view: events, and how many were without entity, created late, created before they happened, or repeated.
    """

    rows: int
    counts: dict[str, dict[str, int]]


def point_in_time_join(
    keys: Any,
    definitions: Definitions | str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    time: str = "time",
    closed: str = "right",
    executor: Executor | None = None,
    resume: bool = False,
) -> Joined:
    """Write the keys with the features that were known at their times.

    An event is known at t when ``event_time <= t`` and ``created_time <= t``. Of several, the latest by event time
    counts, then by created time, then by row. Windows are ``(t - w, t]``.

    Parameters
    ----------
    keys : path, source or frame
        Rows with the entity columns of the definitions, and a time. A path may be of a file, a folder, or a glob.
    definitions : Definitions or path
    out : path
        Directory to create; its Parquet has the keys in their order. On Dask, one that all workers share.
    time : str
        Column of the keys: as of when.
    closed : str
        ``left`` leaves out what became known, or happened, at t itself; windows are ``[t - w, t)`` then.
    executor : Executor, optional
        Threads of this process by default.
    resume : bool
        Finish a directory that an earlier run of the same job left.

    Returns
    -------
    Joined

    Raises
    ------
    DataError
        Columns are missing or of other types than the definitions need, times are missing, the disk is full.
    UsageError
        `out` is not empty and `resume` is False.
    """
    if closed not in ("left", "right"):
        raise UsageError(
            f"closed={closed!r}; 'right' keeps what became known at the time itself, 'left' leaves it out"
        )
    if not isinstance(definitions, Definitions):
        definitions = read_definitions(definitions)
    executor = executor or Threads()
    source, target = keys_source(keys), local_place(out, "a join").resolve()
    views = [open_view(definitions, view) for view in definitions.views.values()]
    for bound, _ in views:
        check_keys(bound, source.full_schema, time, source.describe_place())
    schema = output_schema(source.full_schema, [bound for bound, _ in views])
    parts = plan_parts(source.shards)
    for each in (source, *(events for _, events in views)):
        if each.would_find(part_path(target, parts[0])):
            raise UsageError(
                f"{out}: lies inside the data, where it would be read as rows next time; choose another --out"
            )
    n_partitions = count_partitions([source, *(events for _, events in views)])
    job = source.fingerprint().joined(
        definitions=definitions.fingerprint(), closed=closed, time=time, partitions=n_partitions,
        part_rows=part_rows(), **{f"events_{bound.view.name}": events.fingerprint().parts for bound, events in views},
    )  # fmt: skip
    prepare(target, job, resume, JOB)
    work = target / WORK
    written = 0
    if any(not part_path(target, shards).exists() for shards in parts):
        with explained(DataError, work, "give it room, or its directory back, then --resume"):
            work.mkdir(exist_ok=True)
        spilled = spill(executor, views, source, parts, time, work, n_partitions)
        join_partitions(executor, spilled, n_partitions, work, closed == "left")
        write_text(target / COUNTED, json.dumps(counts_of(work, spilled, n_partitions)))
        written = _write_parts(executor, spilled, source, parts, schema, target, n_partitions)
    counts = _read_counts(target / COUNTED)
    shutil.rmtree(work, ignore_errors=True)
    return Joined(written, counts)


def count_partitions(sources: Sequence[Source]) -> int:
    """Return into how many partitions rows go: the same for the same data, whoever works."""
    return min(_MOST_PARTITIONS, max(1, *(-(-source.n_rows // PARTITION_ROWS) for source in sources)))


def spill(
    executor: Executor,
    views: Sequence[tuple[BoundView, Source]],
    source: Source,
    parts: Sequence[tuple[Shard, ...]],
    time: str,
    work: Path,
    n_partitions: int,
    given: Sequence[tuple[str, ...]] = (),
) -> list[Spilled]:
    """Write events and keys by partition, as far as they are not; return where they are, by view."""
    found = []
    for k, (bound, events) in enumerate(views):
        groups = group_shards(events.shards, GROUP_ROWS)
        name = bound.view.name
        reader = BlockReader(events, columns=tuple(bound.read))
        places = [events_path(work, name, group) for group in groups]
        run_missing(
            executor, SpillEvents(bound, str(work), n_partitions), reader, groups, places, f"read {name}"
        )
        paths = [str(keys_path(work, k, part)) for part in parts]
        unit = bound.view.time_unit
        checked = tuple(given[k]) if given else ()
        columns = tuple(dict.fromkeys([bound.view.entity, time, *checked]))
        run_missing(
            executor, SpillKeys(bound, k, time, unit, str(work), n_partitions, checked),
            BlockReader(source, columns=columns), parts, [Path(path) for path in paths], f"read keys of {name}",
        )  # fmt: skip
        found.append(
            Spilled(bound, str(work), tuple(str(events_path(work, name, g)) for g in groups), tuple(paths))
        )
    return found


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


def join_partitions(
    executor: Executor, spilled: Sequence[Spilled], n_partitions: int, work: Path, left: bool
) -> None:
    """Write the features of all partitions, as far as they are not."""
    for each in spilled:
        reader = BlockReader(Partitions([PARTITION_ROWS] * n_partitions))
        groups = [(shard,) for shard in reader.source.shards]
        paths = [joined_path(work, each.bound.view.name, p) for p in range(n_partitions)]
        run_missing(
            executor, JoinPartition(each, left), reader, groups, paths, f"join {each.bound.view.name}"
        )


def _write_parts(
    executor: Executor,
    spilled: Sequence[Spilled],
    source: Source,
    parts: Sequence[tuple[Shard, ...]],
    schema: Any,
    target: Path,
    n_partitions: int,
) -> int:
    joined = []
    for each in spilled:
        name, work = each.bound.view.name, Path(each.work)
        texts = None
        if each.bound.text_columns:
            texts = work / f"{name}.texts"
            write_texts(texts, read_texts([Path(path).with_suffix(".texts") for path in each.events]))
        paths = tuple(str(joined_path(work, name, p)) for p in range(n_partitions))
        joined.append((each.bound, paths, None if texts is None else str(texts)))
    names = source.full_schema.names
    task = WritePart(schema, len(names), tuple(joined), str(target), tuple(part[0].index for part in parts))
    reader = BlockReader(source, columns=tuple(names))
    written = run_missing(executor, task, reader, parts, [part_path(target, part) for part in parts], "write")
    return sum(written)


def _read_counts(path: Path) -> dict[str, Any]:
    """Return what an earlier run counted; raises DataError where it is damaged or gone."""
    with understood(DataError, path, "remove the directory, or begin anew elsewhere"):
        try:
            found: dict[str, Any] = json.loads(path.read_text())
        except OSError as error:
            raise ValueError(error.strerror or str(error)) from error
        for each in found.values():
            if any(type(n) is not int for n in (each.values() if isinstance(each, dict) else [each])):
                raise TypeError("no counts")
    return found


def counts_of(work: Path, spilled: Sequence[Spilled], n_partitions: int) -> dict[str, dict[str, int]]:
    """Return what was counted while events were read and joined, by view."""
    found = {}
    for each in spilled:
        counts = dict.fromkeys(COUNTS, 0)
        name = each.bound.view.name
        files = [Path(path) for path in each.events] + [
            joined_path(work, name, p) for p in range(n_partitions)
        ]
        for path in files:
            place = path.with_suffix(".json")
            if place.exists():
                read = _read_counts(place)
                counts.update({key: n + read.get(key, 0) for key, n in counts.items()})
        found[name] = counts
    return found
