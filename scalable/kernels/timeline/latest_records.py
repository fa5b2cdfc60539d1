"""Events replayed in order of time over records of the latest of each entity, and keys answered on the way.

A record is ``[hash, mask, event time, values]``, with the created time behind the event time where it is another: bit 0
of the mask says that there is an event, bit c + 1 that value c is the bits of a float rather than its word. So an event
costs one search among the entities of the keys and one line of the cache, its values are turned to words only when a
key asks, and nothing is kept of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.jit import kernel
from scalable.kernels.memory import load_i64, load_u8
from scalable.kernels.prefetch import prefetch
from scalable.kernels.timeline.entity_buckets import BATCH, PLACES, first_bucket, number_of
from scalable.kernels.timeline.words import MISSING, float_word

HEAD = 3  # rows of answers before values; words of a record, one more where created times are others
MOST_VALUES = 62  # that a mask has bits for
WORD, CHECK, LEFT_OUT, VISIBLE, EVENT, CREATED, VALUES = range(7)  # addresses of the columns of events
_ONE = np.int64(1)
_KEYS_AHEAD = np.int64(12)


@kernel(inline=True)
def _at(address: Any, i: Any) -> Any:
    """Return word `i` behind an address."""
    return load_i64(address + np.uint64(8) * np.uint64(i))


@kernel(inline=True)
def _take(record: Any, records: Any, late: Any, k: Any, answers: Any) -> None:
    """Write a record as the answer of key `k`."""
    mask = records[record + np.uint64(1)]
    answers[0, k] = mask & _ONE
    answers[1, k], answers[2, k] = records[record + np.uint64(2)], records[record + np.uint64(2 + late)]
    for c in range(HEAD, answers.shape[0]):
        word = records[record + np.uint64(c + late)] if mask != 0 else MISSING
        answers[c, k] = float_word(word) if (mask >> np.int64(c - HEAD + 1)) & _ONE else word


@kernel(inline=True)
def _answer(k: Any, numbers: Any, records: Any, width: Any, late: Any, answers: Any) -> None:
    """Write what is known of the entity of key `k`."""
    ahead = k + _KEYS_AHEAD
    if ahead < numbers.size:
        prefetch(records, np.uint64(max(numbers[ahead], np.int64(0)) * width))
    if numbers[k] >= 0:
        _take(np.uint64(numbers[k] * width), records, late, k, answers)
    else:
        answers[0, k] = 0
        for c in range(1, answers.shape[0]):
            answers[c, k] = MISSING


@kernel()
def replay(
    columns: np.ndarray,
    n: int,
    raw: int,
    buckets: np.ndarray,
    members: np.ndarray,
    records: np.ndarray,
    width: int,
    late: int,
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
    buckets : array of int64
        As `enter_numbers` leaves it.
    members : array of shape (n_entities,) or (0,), int64
        What tells apart entities beside their hashes; empty where hashes do.
    records : array of shape (n_entities * width,), int64
        Hashes at first, and zeros; changed.
    width : int
        Words from record to record.
    late : int
        1 where records have created times, else 0.
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
    n_buckets = np.uint64(buckets.size // PLACES)
    while i < n:
        m = min(np.int64(BATCH), n - i)
        for j in range(m):
            prefetch(buckets, first_bucket(_at(columns[WORD], i + j), n_buckets))
        for j in range(m):
            number = number_of(_at(columns[WORD], i + j), buckets, n_buckets)
            found[j] = number * width if load_u8(columns[LEFT_OUT] + np.uint64(i + j)) == 0 else np.int64(-1)
            prefetch(records, np.uint64(max(found[j], np.int64(0))))
        for j in range(m):
            time = _at(columns[VISIBLE], i + j)
            if time < last:
                cursor[0] = i + j
                return False
            last = time
            while k < times.size and times[k] < time:
                _answer(k, numbers, records, width, late, answers)
                k += 1
            if more and k == times.size:
                cursor[0], cursor[1], cursor[2] = i + j, k, last
                return True
            if found[j] < 0:
                continue
            record = np.uint64(found[j])
            if records[record] != _at(columns[WORD], i + j):
                continue
            if members.size and members[found[j] // width] != _at(columns[CHECK], i + j):
                continue
            event, before = _at(columns[EVENT], i + j), records[record + np.uint64(2)]
            if late:
                created, at = _at(columns[CREATED], i + j), record + np.uint64(3)
                if records[record + np.uint64(1)] != 0 and (
                    event < before or (event == before and created < records[at])
                ):
                    continue
                records[at] = created
            records[record + np.uint64(1)] = raw
            records[record + np.uint64(2)] = event
            for c in range(VALUES, columns.size):
                records[record + np.uint64(c - VALUES + HEAD + late)] = _at(columns[np.uint64(c)], i + j)
        i += m
    cursor[0], cursor[1], cursor[2] = i, k, last
    return True


@kernel()
def answer_rest(
    k: int, numbers: np.ndarray, records: np.ndarray, width: int, late: int, answers: np.ndarray
) -> None:
    """Answer the keys from `k` on, behind which no event comes; parameters as for `replay`."""
    for j in range(k, numbers.size):
        _answer(np.int64(j), numbers, records, width, late, answers)


@kernel(inline=True)
def _later(mask: Any, event: Any, created: Any, than: Any, event_than: Any, created_than: Any) -> Any:
    """Return whether an event, which may be none, is later than one of later rows, which may be none."""
    if mask == 0 or than == 0:
        return mask != 0
    return event > event_than or (event == event_than and created > created_than)


@kernel()
def carry_records(before: np.ndarray, records: np.ndarray, width: int, late: int) -> None:
    """Keep the later event of two records of each entity.

    Parameters
    ----------
    before, records : array of shape (n_entities * width,), int64
        Of earlier and of later rows; the second is changed.
    width, late : int
        As for `replay`.
    """
    for g in range(records.size // width):
        a = np.uint64(g * width + 1)
        b, c = a + np.uint64(1), a + np.uint64(1 + late)
        if _later(before[a], before[b], before[c], records[a], records[b], records[c]):
            for k in range(width - 1):
                records[a + np.uint64(k)] = before[a + np.uint64(k)]


@kernel()
def settle_answers(
    numbers: np.ndarray, before: np.ndarray, width: int, late: int, answers: np.ndarray
) -> None:
    """Answer keys by events of earlier rows, where those are later in time than what they were answered by.

    Parameters
    ----------
    numbers : array of shape (n_keys,), int64
        Numbers of their entities, none below 0.
    before : array of shape (n_entities * width,), int64
        Records of earlier rows.
    width, late : int
        As for `replay`.
    answers : array of shape (HEAD + n_values, n_keys), int64
        As `replay` leaves them; changed.
    """
    for k in range(numbers.size):
        a = np.uint64(numbers[k] * width + 1)
        b, c = a + np.uint64(1), a + np.uint64(1 + late)
        if _later(before[a], before[b], before[c], answers[0, k], answers[1, k], answers[2, k]):
            _take(a - np.uint64(1), before, late, k, answers)
