"""From files to the online store, file by file once; and events pushed as they happen."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from scalable import progress
from scalable.data.source import Source
from scalable.errors import DataError, UsageError
from scalable.execution.executors import Executor
from scalable.execution.reader import ahead
from scalable.execution.threads import Threads
from scalable.feature_store.bind import BoundView, as_before, bind, keys_source, open_view
from scalable.feature_store.definitions import Definitions
from scalable.feature_store.join import count_partitions
from scalable.feature_store.online.histories import Packed, pack, put
from scalable.feature_store.online.lookup import whole_time
from scalable.feature_store.online.store import OnlineStore, told
from scalable.feature_store.read_definitions import read_definitions
from scalable.feature_store.spill import open_spills, read_partition
from scalable.feature_store.stages import COUNTS, Columns, bring_back, event_columns, read_texts, spill_events
from scalable.feature_store.value_words import join_texts
from scalable.storage.lock import writing_alone
from scalable.storage.places import local_place, place
from scalable.storage.replace import explained, remove_scratch, scratch_beside

LEEWAY = 60 * 10**9  # nanoseconds by which a clock may be put back: requests ask for what was then


@dataclass
class Materialized:
    """What was written.

    Attributes
    ----------
    events, entities, repeated : int
    skipped_files : int
        Taken before.
    counts : dict of str to int
        Of these events: how many were without entity, created late, created before they happened.
    """

    events: int = 0
    entities: int = 0
    repeated: int = 0
    skipped_files: int = 0
    counts: dict[str, int] = field(default_factory=dict)


def materialize(
    definitions: Definitions | str | os.PathLike[str],
    store: str | os.PathLike[str],
    *,
    executor: Executor | None = None,
    horizon: int | None = None,
) -> dict[str, Materialized]:
    """Bring an online store up to date with the files of its views; files that it took before are skipped.

    Parameters
    ----------
    definitions : Definitions or path
    store : path
        Directory; made where there is none.
    executor : Executor, optional
        Threads of this process by default.
    horizon : int, optional
        Times before it (in nanoseconds) will not be looked up, so what only they need is left out. By default the
        latest time at which an event of the new files became known, or now where that is earlier.

    Returns
    -------
    dict of str to Materialized
        By view.

    Raises
    ------
    DataError
        As for a join; or `horizon` is in the future, a file that was taken before has changed or moved since, or
        another process materializes meanwhile.
    """
    horizon = None if horizon is None else _horizon(horizon)
    definitions = definitions if isinstance(definitions, Definitions) else read_definitions(definitions)
    folder = local_place(store, "a feature store")
    # Of two, both would take the same files.
    busy = DataError(f"{folder}: another process is materializing there; come again when it is done")
    with writing_alone(folder, busy), OnlineStore(definitions, store, create=True) as opened:
        remove_scratch(folder)  # of killed runs
        found = {}
        for view in opened.definitions.views.values():
            bound, source = open_view(opened.definitions, view)
            bound = as_before(bound, opened.bound(view.name), opened.path)
            taken = (opened.read_meta() or {}).get("views", {}).get(view.name, {}).get("files", [])
            new, files, skipped = _new_files(opened, bound, source, taken)
            found[view.name] = Materialized(skipped_files=skipped)
            if new is not None:
                _take(opened, bound, new, files, executor or Threads(), horizon, found[view.name])
        return found


def _horizon(given: Any) -> int:
    """Return a time before which nobody will look up; raises DataError for one that has yet to come."""
    found = whole_time(given)
    if found > time.time_ns() + LEEWAY:
        raise DataError(
            f"{np.datetime64(found, 'ns')} is yet to come: what is looked up until then would be let go; give no later "
            "time than now"
        )
    return found


def _new_files(
    store: OnlineStore, bound: BoundView, source: Any, taken: list[list[Any]]
) -> tuple[Source | None, list[Any], int]:
    """Return the source of the files that were not taken yet, what tells them apart, and how many were."""
    files = [list(each) for each in source.content()["files"]]
    known = {each[0]: list(each) for each in taken}
    changed = [each[0] for each in files if each[0] in known and known[each[0]] != each]
    if changed:
        raise DataError(
            f"{changed[0]}: changed since {store.path} took it for view {bound.view.name!r}; write new events to new "
            "files, or materialize anew elsewhere"
        )
    new = {i for i, each in enumerate(files) if each[0] not in known}
    names = {(os.path.basename(path), *state): path for path, *state in taken}
    for path, *state in (files[i] for i in sorted(new)):
        before = names.get((os.path.basename(path), *state))
        if before is not None and not place(before).exists():
            raise DataError(
                f"{path}: has name, size and time of {before}, which {store.path} took and which is gone: moved, its "
                "events would count twice; materialize anew elsewhere, or touch it if it is another"
            )
    shards = [shard for shard in source.shards if shard.file in new]
    chosen = source.with_shards(shards) if shards else None
    return chosen, [each for i, each in enumerate(files) if i in new], len(files) - len(new)


def _take(
    store: OnlineStore, bound: BoundView, source: Source, files: list[Any], executor: Executor, horizon: int | None,
    done: Materialized,
) -> None:  # fmt: skip
    work = scratch_beside(store.path / "spill")
    try:
        with explained(DataError, work, "give it room"):
            work.mkdir()
        n_partitions = count_partitions([source])
        found = spill_events(executor, bound, source, work, n_partitions)
        spilled, paths = open_spills(found), [Path(path) for path in found]
        counted = [json.loads(path.with_suffix(".json").read_text()) for path in paths]
        done.counts = {key: sum(each[key] for each in counted) for key in COUNTS}
        if horizon is None:
            horizon = min(time.time_ns(), max(each["latest"] for each in counted))
        with (
            progress.task(f"store {bound.view.name}", n_partitions, "partitions") as shown,
            told(store.path, "written"),
            store.env.begin(write=True) as transaction,
        ):
            fresh = not transaction.cursor(store.tables[bound.view.name]).first()
            if bound.text_columns:
                table = read_texts([path.with_suffix(".texts") for path in paths])
                store.put_texts(
                    transaction, list(zip(table.hashes.tolist(), table.texts.to_pylist(), strict=True))
                )

            def packed(p: int) -> Packed:
                events = bring_back(bound, read_partition(spilled, p)[0])
                return pack(store, None if fresh else transaction, bound, events, horizon)

            each = map(packed, range(n_partitions))
            # what is there is read by the thread that writes; where nothing is, the next are packed meanwhile
            for one in ahead(each, 2) if fresh else each:
                put(store, transaction, bound, one, fresh)
                done.events, done.repeated = done.events + one.events, done.repeated + one.repeated
                done.entities += one.n_entities
                shown.advance(1)
            store.write_meta(transaction, bound, files)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def push(store: OnlineStore, view: str, events: Any, *, now: int | None = None) -> Materialized:
    """Add events to a view as they happen; features looked up from now on count them.

    Parameters
    ----------
    store : OnlineStore
        Opened with ``create=True``.
    view : str
        Of whose columns the events are.
    events : path, source, or frame
        All of them are added, or none.
    now : int, optional
        No earlier time (in nanoseconds) will be looked up; a minute before the clock's by default.

    Raises
    ------
    DataError
        There is no such view, columns are missing or of other types, times are missing, `now` is in the future; the
        disk is full.
    UsageError
        `store` is open for reading only.
    """
    if view not in store.definitions.views:
        raise DataError(
            f"{store.definitions.place}: there is no view {view!r}; it has {', '.join(store.definitions.views)}"
        )
    if store.env.flags()["readonly"]:
        raise UsageError(f"{store.path}: is open for reading; to push, open it with create=True")
    source = keys_source(events)
    bound = bind(store.definitions.views[view], source.full_schema, source.describe_place())
    bound = as_before(bound, store.bound(view), store.path)
    state, done = Columns(), Materialized()
    left_out = []
    for shard in source.shards:
        for block in source.raw_blocks(shard, bound.read):
            columns, _, missing = event_columns(bound, block, state)
            left_out.append(int(missing.sum()))
            state.parts.append([column[~missing] for column in columns])
    entity, check, event, created, *words = (np.concatenate(each) for each in zip(*state.parts, strict=True))
    values = np.stack(words) if words else np.empty((0, len(entity)), np.int64)
    horizon = time.time_ns() - LEEWAY if now is None else _horizon(now)
    store.env.reader_check()  # pages that a killed reader looked at would never be used again
    with told(store.path, "written"), store.env.begin(write=True) as transaction:
        table = join_texts(state.texts)
        store.put_texts(transaction, list(zip(table.hashes.tolist(), table.texts.to_pylist(), strict=True)))
        packed = pack(store, transaction, bound, (entity, check, event, created, values), horizon)
        put(store, transaction, bound, packed, False)
        done.entities, done.repeated = packed.n_entities, packed.repeated
        store.write_meta(transaction, bound, None)
    done.events, done.counts = len(entity), state.counts
    return done
