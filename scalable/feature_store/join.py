"""The point-in-time join: for each key and time, the features as they were known then.

Views of latest values alone are joined as `latest` says. Of others, events and keys go to partitions by a hash of the
entity; each partition fits in memory, is sorted by entity and time, and joined by one walk through both; what comes out
goes to its part of the output, in the order of the keys.
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
from scalable.execution.executors import Executor
from scalable.execution.reader import BlockReader
from scalable.execution.threads import Threads
from scalable.feature_store.bind import BoundView, check_keys, keys_source, open_view
from scalable.feature_store.definitions import Definitions
from scalable.feature_store.latest.courses import Courses, courses_of
from scalable.feature_store.latest.replay import replay_view
from scalable.feature_store.latest.stream import count_streams, stream_view, streams
from scalable.feature_store.partition import JoinPartition, Spilled
from scalable.feature_store.parts import JoinedView, WritePart, output_schema
from scalable.feature_store.read_definitions import read_definitions
from scalable.feature_store.spill import remove_spills
from scalable.feature_store.stages import (
    COUNTS,
    Partitions,
    joined_path,
    read_texts,
    run_missing,
    spill_events,
    spill_keys,
    write_texts,
)
from scalable.scoring.parts import alone, part_path, part_rows, plan_parts, prepare
from scalable.storage.documents import understood
from scalable.storage.places import local_place
from scalable.storage.replace import explained, write_text

JOB, COUNTED, WORK = "_join.json", "_counts.json", "_join"  # readers of datasets skip names that start so
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
        By view: events, and how many were without entity, created late, created before they happened, or, in views
        with aggregates, repeated.
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
        `out` is not empty and `resume` is False, or another process writes there.
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
    courses = [courses_of(bound, events, source.n_rows) for bound, events in views]
    job = source.fingerprint().joined(
        definitions=definitions.fingerprint(), closed=closed, time=time, partitions=n_partitions,
        streams=[count_streams(source.n_rows, each.n_rows) for bound, each in views if streams(bound, source.n_rows)],
        courses=[each.begins if each else None for each in courses], records="rows",
        part_rows=part_rows(), **{f"events_{bound.view.name}": events.fingerprint().parts for bound, events in views},
    )  # fmt: skip
    with alone(target):
        prepare(target, job, resume, JOB)
        work = target / WORK
        written = 0
        if any(not part_path(target, shards).exists() for shards in parts):
            with explained(DataError, work, "give it room, or its directory back, then --resume"):
                work.mkdir(exist_ok=True)
            here = (source, parts, time, work)
            joined = _join_views(executor, views, courses, here, n_partitions, closed == "left")
            counted = {each.bound.view.name: counts_of(each) for each in joined}
            write_text(target / COUNTED, json.dumps(counted))
            written = _write_parts(executor, joined, source, parts, schema, target, work)
        counts = _read_counts(target / COUNTED)
        remove_spills(work.glob("*.spill"))
        shutil.rmtree(work, ignore_errors=True)
    return Joined(written, counts)


def _join_views(
    executor: Executor, views: Sequence[tuple[BoundView, Source]], courses: Sequence[Courses | None],
    here: tuple[Source, Sequence[tuple[Shard, ...]], str, Path], n_partitions: int, left: bool,
) -> list[JoinedView]:  # fmt: skip
    """Write the features of all views, each in the way that its events allow, as far as they are not."""
    joined = []
    for k, ((bound, events), ordered) in enumerate(zip(views, courses, strict=True)):
        found = None if ordered is None else replay_view(executor, bound, k, events, ordered, *here, left)
        if found is None and streams(bound, here[0].n_rows):
            found = stream_view(executor, bound, k, events, *here, left)
        elif found is None:
            (spilled,) = spill(executor, [(bound, events)], *here, n_partitions, first=k)
            found = join_partitions(executor, spilled, n_partitions, here[-1], left)
        joined.append(found)
    return joined


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
    first: int = 0,
) -> list[Spilled]:
    """Write events and keys by partition, as far as they are not; return where they are, by view.

    `first` numbers the first of the views, `given` are columns of keys that are kept, by view.
    """
    found = []
    for k, (bound, events) in enumerate(views):
        spilled = spill_events(executor, bound, events, work, n_partitions)
        kept = tuple(given[k]) if given else ()
        keys = spill_keys(executor, bound, first + k, source, parts, time, work, n_partitions, kept)
        found.append(Spilled(bound, str(work), spilled, keys))
    return found


def join_partitions(
    executor: Executor, spilled: Spilled, n_partitions: int, work: Path, left: bool
) -> JoinedView:
    """Write the features of all partitions, as far as they are not."""
    reader = BlockReader(Partitions([PARTITION_ROWS] * n_partitions))
    groups = [(shard,) for shard in reader.source.shards]
    name = spilled.bound.view.name
    paths = [joined_path(work, name, p) for p in range(n_partitions)]
    run_missing(executor, JoinPartition(spilled, left), reader, groups, paths, f"join {name}")
    found = tuple(map(str, paths))
    return JoinedView(spilled.bound, found, (*spilled.events, *found), spilled.events)


def _write_parts(
    executor: Executor,
    views: Sequence[JoinedView],
    source: Source,
    parts: Sequence[tuple[Shard, ...]],
    schema: Any,
    target: Path,
    work: Path,
) -> int:
    joined = []
    for each in views:
        texts = None
        if each.bound.text_columns:
            texts = work / f"{each.bound.view.name}.texts"
            write_texts(texts, read_texts([Path(path).with_suffix(".texts") for path in each.texts]))
        joined.append((each.bound, each.paths, None if texts is None else str(texts)))
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


def counts_of(joined: JoinedView) -> dict[str, int]:
    """Return what was counted of a view while events were read and joined; what repeats, where windows count it."""
    counts = dict.fromkeys(COUNTS if joined.bound.view.aggregates else COUNTS[:-1], 0)
    for path in joined.counted:
        place = Path(path).with_suffix(".json")
        if place.exists():
            read = _read_counts(place)
            counts.update({key: n + read.get(key, 0) for key, n in counts.items()})
    return counts
