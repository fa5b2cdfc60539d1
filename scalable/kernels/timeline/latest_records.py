"""Events replayed in order of time over records of the latest of each entity, and keys answered on the way.

A record is ``[mask, event time, created time, values]``: bit 0 of the mask says that there is an event, bit c + 1 that
value c is the bits of a float rather than its word. So an event costs one search among the entities of the keys and one
line of the cache, its values are turned to words only when a key asks, and nothing is kept of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.jit import kernel
from scalable.kernels.memory import load_i64, load_u8
from scalable.kernels.prefetch import prefetch
from scalable.kernels.timeline.passing_events import BATCH, entity_slot, find_entity, home_slot
from scalable.kernels.timeline.words import MISSING, float_word

HEAD = 3  # words of a record before its values
MOST_VALUES = 62  # that a mask has bits for
WORD, CHECK, LEFT_OUT, VISIBLE, EVENT, CREATED, VALUES = range(7)  # addresses of the columns of events
_SHIFT, _ONE = np.int64(32), np.int64(1)
_KEYS_AHEAD = np.int64(12)


@kernel()
def enter_numbers(
    words: np.ndarray,
    checks: np.ndarray,
    left_out: np.ndarray,
    slots: np.ndarray,
    members: np.ndarray,
    told: np.ndarray,
) -> None:
    """Give numbers to entities by first appearance.

    Parameters
    ----------
    words, checks : array of shape (n,), int64
        Hash of the entity of each row, and what else tells it from others.
    left_out : array of shape (n,), bool
        Rows without entity.
    slots : array of shape (2 n_slots,), int64
        Hash table: hash, and number times 2^32 plus one; 0 where it is free. Changed.
    members : array of shape (2, room), int64
        Hash and check of each number; room for less than `n_slots`. Changed.
    told : array of shape (2,), int64
        First row to enter, and numbers given; changed to the row that found no room, or n, and the numbers given then.
    """
    n_slots, n, begin = np.uint64(slots.size // 2), told[1], told[0]
    for left in range(begin, words.size, BATCH):
        m = min(np.int64(BATCH), words.size - left)
        for j in range(m):
            prefetch(slots, np.uint64(2) * home_slot(words[left + j], n_slots))
        for j in range(m):
            i = left + j
            if left_out[i]:
                continue
            s = entity_slot(words[i], checks[i], slots, n_slots, members[1])
            if slots[np.uint64(2) * s + np.uint64(1)] != 0:
                continue
            if n == members.shape[1]:
                told[0], told[1] = i, n
                return
            slots[np.uint64(2) * s] = words[i]
            slots[np.uint64(2) * s + np.uint64(1)] = (n << _SHIFT) | _ONE
            members[0, n], members[1, n] = words[i], checks[i]
            n += 1
    told[0], told[1] = words.size, n


@kernel()
def find_numbers(
    words: np.ndarray,
    checks: np.ndarray,
    left_out: np.ndarray,
    slots: np.ndarray,
    members: np.ndarray,
    out: np.ndarray,
) -> None:
    """Write the number that `enter_numbers` gave the entity of each row, -1 for none; parameters as there."""
    n_slots = np.uint64(slots.size // 2)
    for left in range(0, words.size, BATCH):
        m = min(np.int64(BATCH), words.size - left)
        for j in range(m):
            prefetch(slots, np.uint64(2) * home_slot(words[left + j], n_slots))
        for j in range(m):
            i, packed = left + j, np.int64(0)
            if not left_out[i]:
                packed = find_entity(words[i], checks[i], slots, n_slots, members[1])
            out[i] = packed >> _SHIFT if packed != 0 else np.int64(-1)


@kernel(inline=True)
def _at(address: Any, i: Any) -> Any:
    """Return word `i` behind an address."""
    return load_i64(address + np.uint64(8) * np.uint64(i))


@kernel(inline=True)
def _take(record: Any, records: Any, k: Any, answers: Any) -> None:
    """Write a record as the answer of key `k`."""
    mask = records[record]
    answers[0, k] = mask & _ONE
    answers[1, k], answers[2, k] = records[record + np.uint64(1)], records[record + np.uint64(2)]
    for c in range(HEAD, answers.shape[0]):
        word = records[record + np.uint64(c)] if mask != 0 else MISSING
        answers[c, k] = float_word(word) if (mask >> np.int64(c - HEAD + 1)) & _ONE else word


@kernel(inline=True)
def _answer(k: Any, numbers: Any, records: Any, width: Any, answers: Any) -> None:
    """Write what is known of the entity of key `k`."""
    ahead = k + _KEYS_AHEAD
    if ahead < numbers.size:
        prefetch(records, np.uint64(max(numbers[ahead], np.int64(0)) * width))
    if numbers[k] >= 0:
        _take(np.uint64(numbers[k] * width), records, k, answers)
    else:
        answers[0, k] = 0
        for c in range(1, answers.shape[0]):
            answers[c, k] = MISSING


@kernel()
def replay(
    columns: np.ndarray,
    n: int,
    raw: int,
    slots: np.ndarray,
    members: np.ndarray,
    records: np.ndarray,
    width: int,
    times: np.ndarray,
    numbers: np.ndarray,
    more: bool,
    answers: np.ndarray,
    found: np.ndarray,
    cursor: np.ndarray,
) -> Any:
    """Replay events from ``cursor[0]`` on, and answer the keys that come before each.

    Parameters
    ----------
    columns : array of uint64
        Where the events' columns begin in memory: those that ``WORD`` to ``CREATED`` name, then values; int64 each but
        ``LEFT_OUT``, of bytes.
    n : int
        Number of events.
    raw : int
        The mask of their records.
    slots, members
        As `enter_numbers` leaves them.
    records : array of shape (n_entities * width,), int64
        Changed.
    width : int
        Words from record to record.
    times, numbers : array of shape (n_keys,), int64
        Of keys: ascending times, and the numbers of their entities.
    more : bool
        Whether other keys follow: then no event is replayed after the last of these is answered.
    answers : array of shape (HEAD + n_values, n_keys), int64
        Output: whether there is an event, its times, and its values as words.
    found : array of shape (BATCH,), int64
        Scratch.
    cursor : array of shape (3,), int64
        Next event, next key, and the time from which on the next events must be known; changed.

    Returns
    -------
    bool
        False where an event was known before the one in front of it; ``cursor[0]`` is that event.
    """
    i, k, last = cursor[0], cursor[1], cursor[2]
    n_slots = np.uint64(slots.size // 2)
    while i < n:
        m = min(np.int64(BATCH), n - i)
        for j in range(m):
            prefetch(slots, np.uint64(2) * home_slot(_at(columns[WORD], i + j), n_slots))
        for j in range(m):
            packed = np.int64(0)
            if load_u8(columns[LEFT_OUT] + np.uint64(i + j)) == 0:
                packed = find_entity(
                    _at(columns[WORD], i + j), _at(columns[CHECK], i + j), slots, n_slots, members[1]
                )
            found[j] = packed >> _SHIFT if packed != 0 else np.int64(-1)
            prefetch(records, np.uint64(max(found[j], np.int64(0)) * width))
        for j in range(m):
            time = _at(columns[VISIBLE], i + j)
            if time < last:
                cursor[0] = i + j
                return False
            last = time
            while k < times.size and times[k] < time:
                _answer(k, numbers, records, width, answers)
                k += 1
            if more and k == times.size:
                cursor[0], cursor[1], cursor[2] = i + j, k, last
                return True
            if found[j] < 0:
                continue
            record = np.uint64(found[j] * width)
            event, created = _at(columns[EVENT], i + j), _at(columns[CREATED], i + j)
            before = records[record + np.uint64(1)]
            if records[record] != 0 and (
                event < before or (event == before and created < records[record + np.uint64(2)])
            ):
                continue
            records[record] = raw
            records[record + np.uint64(1)], records[record + np.uint64(2)] = event, created
            for c in range(VALUES, columns.size):
                records[record + np.uint64(c - VALUES + HEAD)] = _at(columns[np.uint64(c)], i + j)
        i += m
    cursor[0], cursor[1], cursor[2] = i, k, last
    return True


@kernel()
def answer_rest(k: int, numbers: np.ndarray, records: np.ndarray, width: int, answers: np.ndarray) -> None:
    """Answer the keys from `k` on, behind which no event comes; parameters as for `replay`."""
    for j in range(k, numbers.size):
        _answer(np.int64(j), numbers, records, width, answers)


@kernel(inline=True)
def _later(mask: Any, event: Any, created: Any, than: Any, event_than: Any, created_than: Any) -> Any:
    """Return whether an event, which may be none, is later than one of later rows, which may be none."""
    if mask == 0 or than == 0:
        return mask != 0
    return event > event_than or (event == event_than and created > created_than)


@kernel()
def carry_records(before: np.ndarray, records: np.ndarray, width: int) -> None:
    """Keep the later event of two records of each entity.

    Parameters
    ----------
    before, records : array of shape (n_entities * width,), int64
        Of earlier and of later rows; the second is changed.
    width : int
        Words from record to record.
    """
    for g in range(records.size // width):
        a = np.uint64(g * width)
        b, c = a + np.uint64(1), a + np.uint64(2)
        if _later(before[a], before[b], before[c], records[a], records[b], records[c]):
            for k in range(width):
                records[a + np.uint64(k)] = before[a + np.uint64(k)]


@kernel()
def settle_answers(numbers: np.ndarray, before: np.ndarray, width: int, answers: np.ndarray) -> None:
    """Answer keys by events of earlier rows, where those are later in time than what they were answered by.

    Parameters
    ----------
    numbers : array of shape (n_keys,), int64
        Numbers of their entities, none below 0.
    before : array of shape (n_entities * width,), int64
        Records of earlier rows.
    width : int
        Words from record to record.
    answers : array of shape (HEAD + n_values, n_keys), int64
        As `replay` leaves them; changed.
    """
    for k in range(numbers.size):
        a = np.uint64(numbers[k] * width)
        b, c = a + np.uint64(1), a + np.uint64(2)
        if _later(before[a], before[b], before[c], answers[0, k], answers[1, k], answers[2, k]):
            _take(a, before, k, answers)
