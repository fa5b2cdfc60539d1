"""Events merged into the histories of a store: what was there, what is new, in order of time, packed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.errors import DataError
from scalable.feature_store.bind import BoundView
from scalable.feature_store.online.lookup import fixed_columns
from scalable.feature_store.online.store import OnlineStore
from scalable.feature_store.stages import hashes_of, is_text_entity
from scalable.feature_store.timeline import Timeline, entities_of
from scalable.feature_store.value_words import Words
from scalable.kernels.timeline.history import HEAD, first_kept, history_size, pack_histories
from scalable.kernels.timeline.words import MISSING

Events = tuple[
    Words, Words, Words, Words, NDArray[np.int64]
]  # entity, check, event, created, values by column


def merge(
    store: OnlineStore, transaction: Any, bound: BoundView, events: Events, horizon: int, fresh: bool
) -> tuple[int, int]:
    """Write the histories of the entities of some events.

    Parameters
    ----------
    store, transaction, bound
        Where.
    events : tuple of arrays
        In the order of their arrival.
    horizon : int
        Nobody will look up an earlier time.
    fresh : bool
        Nothing was there, and entities come in the order of their hashes.

    Returns
    -------
    n_entities, repeated : int
    """
    entity, check, event, created, words = events
    if not len(entity):
        return 0, 0
    entities = entities_of(entity, check)
    groups = entities.groups
    keys = _keys(bound, entity, check, groups, entities.n)
    complete = np.full(entities.n, MISSING, np.int64)
    table = store.tables[bound.view.name]
    n_columns = len(bound.view.columns)
    if not fresh:
        before = _histories(store, transaction, table, keys, n_columns, len(fixed_columns(bound)), complete)
        numbers = (
            np.concatenate([np.full(len(row[0]), g, np.int32) for g, row in before]) if before else groups[:0]
        )
        past = [np.concatenate([row[k] for _, row in before]) if before else event[:0] for k in (0, 1)]
        values = np.concatenate([row[2] for _, row in before], axis=1) if before else words[:, :0]
        groups = np.concatenate([numbers, groups])
        event, created = np.concatenate([past[0], event]), np.concatenate([past[1], created])
        words = np.concatenate([values, words], axis=1)
    timeline = Timeline(bound, groups, entities.n, event, created, np.ascontiguousarray(words))
    first = np.empty(entities.n, np.int64)
    first_kept(timeline.starts, timeline.event, timeline.visible, horizon, bound.view.longest, first)
    evicted = first > timeline.starts[:-1]
    complete[evicted] = np.maximum(complete[evicted], horizon)
    fixed = [timeline.column(name)[0] for name in fixed_columns(bound)]
    for feature in bound.view.features:  # refuses sums that do not fit
        if feature.function in ("sum", "mean"):
            timeline.column(feature.column)
    stacked = np.stack(fixed) if fixed else np.empty((0, len(timeline.event)), np.int64)
    sizes = HEAD + (2 + n_columns + len(fixed)) * (timeline.starts[1:] - first)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    out = np.empty(int(offsets[-1]), np.int64)
    pack_histories(
        timeline.starts, first, timeline.rows, timeline.event, timeline.created, timeline.words, stacked, complete,
        offsets, out,
    )  # fmt: skip
    _put(transaction, table, keys, offsets, out, fresh)
    return entities.n, timeline.repeated


def _keys(bound: BoundView, entity: Words, check: Words, groups: NDArray[np.int32], n: int) -> list[bytes]:
    """Return the key of each entity."""
    row = np.empty(n, np.int64)
    row[groups] = np.arange(len(groups))
    hashes = hashes_of(bound, entity[row])
    pair = np.stack([hashes, check[row]], axis=1) if is_text_entity(bound) else hashes[:, None]
    data, size = pair.astype(">i8").tobytes(), 8 * pair.shape[1]
    return [data[i : i + size] for i in range(0, len(data), size)]


def _histories(
    store: OnlineStore,
    transaction: Any,
    table: Any,
    keys: list[bytes],
    n_columns: int,
    n_fixed: int,
    complete: Words,
) -> list[tuple[int, tuple[Words, Words, NDArray[np.int64]]]]:
    """Return what is there of each entity, and write from when on it is complete."""
    found = []
    for g, key in enumerate(keys):
        text = transaction.get(key, db=table)
        if text is None:
            continue
        row = np.frombuffer(text, np.int64) if len(text) % 8 == 0 else np.empty(0, np.int64)
        n = int(history_size(row, n_columns + n_fixed))
        if n < 0:
            raise DataError(f"{store.path}: a row is damaged; materialize it anew elsewhere")
        complete[g] = row[2]
        body = row[HEAD:].reshape(-1, n) if n else row[HEAD:].reshape(2 + n_columns + n_fixed, 0)
        found.append((g, (body[0], body[1], body[2 : 2 + n_columns])))
    return found


def _put(transaction: Any, table: Any, keys: list[bytes], offsets: Words, out: Words, fresh: bool) -> None:
    order = sorted(range(len(keys)), key=keys.__getitem__)
    data, at = out.data.cast("B"), (8 * offsets).tolist()
    with transaction.cursor(db=table) as cursor:
        # one after another: a list of so many views is walked by the garbage collector again and again
        cursor.putmulti(((keys[g], data[at[g] : at[g + 1]]) for g in order), append=fresh)
