"""Keys that wait in memory while events pass by: each keeps the latest event that it knows.

Keys of an entity lie sorted by time. An event is offered to the first key that is not before it; those behind that one
know it too, which `carry_forward` tells them at the end. So an event costs one search and is never moved, and as the
greatest of (event time, created time, row) is kept, events may pass in any order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.jit import kernel
from scalable.kernels.prefetch import prefetch

BATCH = 256  # events that are looked up together, so that their cache misses overlap
_FEW = np.int64(16)  # times that are counted rather than halved
_HALF = np.uint64(32)
_LOW = np.int64(2**32 - 1)


@kernel(inline=True)
def _home(word: Any, n_slots: Any) -> Any:
    """Return the slot where the search for an entity begins: in the order of the hashes, as partitions are."""
    return ((np.uint64(word) >> _HALF) * n_slots) >> _HALF


@kernel(inline=True)
def _run_end(i: Any, words: Any, checks: Any, places: Any) -> Any:
    """Return where the keys of the entity of key `i` end."""
    end = i + 1
    while (
        end < words.size
        and words[end] == words[i]
        and checks[end] == checks[i]
        and (places[end] < 0) == (places[i] < 0)
    ):
        end += 1
    return end


@kernel()
def count_entities(words: np.ndarray, checks: np.ndarray, places: np.ndarray) -> Any:
    """Return how many entities sorted keys have; parameters as for `enter_entities`."""
    found = i = 0
    while i < words.size:
        i = _run_end(i, words, checks, places)
        found += 1
    return found


@kernel()
def enter_entities(words: np.ndarray, checks: np.ndarray, places: np.ndarray, slots: np.ndarray) -> None:
    """Enter where the keys of each entity are into a hash table.

    Parameters
    ----------
    words, checks : array of shape (n_keys,), int64
        Hash of the entity of each key, and what else tells it from others; those of one entity lie together.
    places : array of shape (n_keys,), int64
        Negative for keys without entity, which are left out.
    slots : array of shape (2 n_slots,), int64
        Zeros, for more slots than entities. Output, by slot: hash, and first key times 2^32 plus number of keys.
    """
    n_slots, i = np.uint64(slots.size // 2), np.int64(0)
    while i < words.size:
        end = _run_end(i, words, checks, places)
        if places[i] >= 0:
            s = _home(words[i], n_slots)
            while slots[np.uint64(2) * s + np.uint64(1)] != 0:
                s = s + np.uint64(1) if s + np.uint64(1) < n_slots else np.uint64(0)
            slots[np.uint64(2) * s] = words[i]
            slots[np.uint64(2) * s + np.uint64(1)] = (i << np.int64(32)) | (end - i)
        i = end


@kernel(inline=True)
def _find(word: Any, check: Any, slots: Any, n_slots: Any, checks: Any) -> Any:
    """Return first key and number of keys of an entity as `enter_entities` packs them, 0 where it has none."""
    s = _home(word, n_slots)
    packed = slots[np.uint64(2) * s + np.uint64(1)]
    while packed != 0 and (
        slots[np.uint64(2) * s] != word
        or (checks.size > 0 and checks[np.uint64(packed >> np.int64(32))] != check)
    ):
        s = s + np.uint64(1) if s + np.uint64(1) < n_slots else np.uint64(0)
        packed = slots[np.uint64(2) * s + np.uint64(1)]
    return packed


@kernel(inline=True)
def _first_from(times: Any, start: Any, count: Any, time: Any) -> Any:
    """Return the first of some ascending times that is not before `time`; ``start + count`` where all are."""
    low, n = start, count
    while n > _FEW:
        half = n >> np.int64(1)
        before = times[np.uint64(low + half)] < time
        low = low + half + np.int64(1) if before else low
        n = n - half - np.int64(1) if before else half
    found = low
    for k in range(n):  # without a branch that depends on them
        found += np.int64(times[np.uint64(low + k)] < time)
    return found


@kernel()
def offer_events(
    words: np.ndarray,
    checks: np.ndarray,
    missing: np.ndarray,
    visible: np.ndarray,
    event: np.ndarray,
    created: np.ndarray,
    first_row: int,
    slots: np.ndarray,
    times: np.ndarray,
    key_checks: np.ndarray,
    found: np.ndarray,
    width: int,
    best: np.ndarray,
) -> None:
    """Offer events, in the order of their rows, to the keys of their entities.

    Parameters
    ----------
    words, checks : array of shape (n,), int64
        Of whom events are about, as `enter_entities` has them of keys.
    missing : array of shape (n,), bool
        Events without entity.
    visible, event, created : array of shape (n,), int64
        When each is known, happened, was created.
    first_row : int
        Row of the first event.
    slots : array of int64
        What `enter_entities` filled.
    times : array of shape (n_keys,), int64
        Of the keys, ascending within an entity.
    key_checks : array of shape (n_keys,) or (0,), int64
        What else tells entities apart; empty where hashes do.
    found : array of shape (BATCH,), int64
        Scratch.
    width : int
        2, or 3 where created times differ from event times.
    best : array of shape (n_keys * width,), int64
        Changed: event time, row (-1 for none), created time of the latest event that each key was offered.
    """
    n_slots, late = np.uint64(slots.size // 2), width == 3
    for left in range(0, words.size, BATCH):
        n = min(BATCH, words.size - left)
        for j in range(n):
            prefetch(slots, np.uint64(2) * _home(words[left + j], n_slots))
        for j in range(n):
            i = left + j
            packed = np.int64(0)
            if not missing[i]:
                packed = _find(words[i], checks[i], slots, n_slots, key_checks)
            found[j] = packed
            start, count = packed >> np.int64(32), packed & _LOW
            prefetch(times, np.uint64(start))
            prefetch(times, np.uint64(start + count - np.int64(1)))
        for j in range(n):
            start, count = found[j] >> np.int64(32), found[j] & _LOW
            k = _first_from(times, start, count, visible[left + j])
            found[j] = k if k < start + count else np.int64(-1)
            prefetch(best, np.uint64(k * width))
        for j in range(n):
            if found[j] < 0:
                continue
            i, at = left + j, np.uint64(found[j] * width)
            later = event[i] > best[at]
            if not later and event[i] == best[at]:
                later = not late or created[i] >= best[at + np.uint64(2)]
            if later:
                best[at] = event[i]
                best[at + np.uint64(1)] = first_row + i
                if late:
                    best[at + np.uint64(2)] = created[i]


@kernel(inline=True)
def _take_later(best: Any, k: Any, other: Any, j: Any) -> None:
    """Replace an event by one of later rows, unless it is later in time."""
    if other[j, 1] < 0:
        return
    later = best[k, 1] < 0 or other[j, 0] > best[k, 0]
    if not later and other[j, 0] == best[k, 0]:
        if best.shape[1] == 3 and other[j, 2] != best[k, 2]:
            later = other[j, 2] > best[k, 2]
        else:
            later = other[j, 1] > best[k, 1]
    if later:
        for c in range(best.shape[1]):
            best[k, c] = other[j, c]


@kernel()
def keep_later(best: np.ndarray, other: np.ndarray) -> None:
    """Keep the later of two events for each key, by event time, then created time, then row.

    Parameters
    ----------
    best, other : array of shape (n_keys, width), int64
        As `offer_events` leaves them; the first is changed.
    """
    for k in range(best.shape[0]):
        _take_later(best, k, other, k)


@kernel()
def carry_forward(words: np.ndarray, checks: np.ndarray, places: np.ndarray, best: np.ndarray) -> None:
    """Tell each key what those before it, of its entity, know.

    Parameters
    ----------
    words, checks, places
        As for `enter_entities`; keys of an entity ascend in time.
    best : array of shape (n_keys, width), int64
        As `offer_events` leaves it; changed.
    """
    i = np.int64(0)
    while i < words.size:
        end = _run_end(i, words, checks, places)
        for k in range(i + 1, end):
            _take_later(best, k, best, k - 1)
        i = end
