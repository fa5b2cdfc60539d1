"""Events merged into the histories of a store: what was there, what is new, in order of time, packed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.errors import DataError
from scalable.feature_store.bind import BoundView
from scalable.feature_store.online.lookup import fixed_columns
from scalable.feature_store.online.store import OnlineStore
from scalable.feature_store.stages import hashes_of, is_text_entity
from scalable.feature_store.timeline import Entities, Timeline, entities_of
from scalable.feature_store.value_words import Words
from scalable.kernels.timeline.history import HEAD, first_kept, history_size, pack_histories
from scalable.kernels.timeline.words import MISSING

Events = tuple[
    Words, Words, Words, Words, NDArray[np.int64]
]  # entity, check, event, created, values by column


@dataclass(frozen=True)
class Packed:
    """The histories of some entities, in the order of their keys.

    Attributes
    ----------
    keys : bytes
        Key after key, of equal length.
    offsets : array of shape (n_entities + 1,), int64
        Where the words of each history start.
    words : bytes
        All histories.
    events, repeated : int
        That were packed anew, and how many of them equal another.
    """

    keys: bytes
    offsets: Words
    words: bytes
    events: int
    repeated: int

    @property
    def n_entities(self) -> int:
        """How many there are."""
        return len(self.offsets) - 1


def pack(store: OnlineStore, transaction: Any, bound: BoundView, events: Events, horizon: int) -> Packed:
    """Return the histories of the entities of some events.

    Parameters
    ----------
    store, bound
        For which.
    transaction : lmdb.Transaction or None
        Where what is there of the entities is read; None where nothing is.
    events : tuple of arrays
        In the order of their arrival.
    horizon : int
        Nobody will look up an earlier time.
    """
    entity, check, event, created, words = events
    if not len(entity):
        return Packed(b"", np.zeros(1, np.int64), b"", 0, 0)
    entities = entities_of(entity, check)
    keys, groups = _by_key(bound, entity, check, entities)
    complete = np.full(entities.n, MISSING, np.int64)
    n_columns = len(bound.view.columns)
    if transaction is not None:
        before = _histories(store, transaction, bound, keys, complete)
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
    return Packed(keys, offsets, out.tobytes(), len(entity), timeline.repeated)


def put(store: OnlineStore, transaction: Any, bound: BoundView, packed: Packed, last: bool) -> None:
    """Write histories; `last` says that no key of the table comes behind their first.

    Nothing is made in Python per history but what LMDB is handed: two pieces of bytes.
    """
    n = packed.n_entities
    if not n:
        return
    size, at = len(packed.keys) // n, (8 * packed.offsets).tolist()
    edges = range(0, size * n + 1, size)
    keys = map(packed.keys.__getitem__, map(slice, edges[:-1], edges[1:]))
    rows = map(packed.words.__getitem__, map(slice, at[:-1], at[1:]))
    with transaction.cursor(db=store.tables[bound.view.name]) as cursor:
        cursor.putmulti(zip(keys, rows, strict=True), append=last)


def _by_key(
    bound: BoundView, entity: Words, check: Words, entities: Entities
) -> tuple[bytes, NDArray[np.int32]]:
    """Return the keys of the entities in their order, one behind the other, and the entity of each event by it."""
    row = np.empty(entities.n, np.int64)
    row[entities.groups[::-1]] = np.arange(len(entity))[::-1]
    hashes = hashes_of(bound, entity[row]).view(np.uint64)
    if is_text_entity(bound):
        checks = check[row].view(np.uint64)
        order = np.lexsort([checks, hashes])
        keys = np.stack([hashes[order], checks[order]], axis=1)
    else:
        order = np.argsort(hashes)
        keys = hashes[order]
    place = np.empty(entities.n, np.int32)
    place[order] = np.arange(entities.n, dtype=np.int32)
    return keys.astype(">u8").tobytes(), place[entities.groups]


def _histories(
    store: OnlineStore, transaction: Any, bound: BoundView, keys: bytes, complete: Words
) -> list[tuple[int, tuple[Words, Words, NDArray[np.int64]]]]:
    """Return what is there of each entity, and write from when on it is complete."""
    table, n_columns, n_fixed = (
        store.tables[bound.view.name],
        len(bound.view.columns),
        len(fixed_columns(bound)),
    )
    size, found = len(keys) // len(complete), []
    for g in range(len(complete)):
        text = transaction.get(keys[g * size : (g + 1) * size], db=table)
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
