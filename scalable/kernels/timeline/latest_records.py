"""Events replayed in order of time over records of the latest of each entity, and keys answered on the way.

A record is the row of an event plus one, 0 for none; its time behind it where somebody asks for that; its created time
where that is another. Values are read afterwards, of the rows that keys have: so an event costs one line of the cache,
and records of a million entities stay in it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.jit import kernel
from scalable.kernels.prefetch import prefetch
from scalable.kernels.timeline.entity_buckets import BATCH

_ONE = np.uint64(1)
_LATE = 3  # words of records that have created times
_KEYS_AHEAD = np.int64(12)


@kernel(inline=True)
def _answer(k: Any, numbers: Any, records: Any, width: Any, answers: Any) -> None:
    """Write the record of the entity of key `k`."""
    ahead = k + _KEYS_AHEAD
    if ahead < numbers.size:
        prefetch(records, np.uint64(max(numbers[ahead], np.int64(0)) * width))
    record = np.uint64(numbers[k] * width)
    for c in range(answers.shape[0]):
        answers[c, k] = records[record + np.uint64(c)] if numbers[k] >= 0 else np.int64(0)


@kernel()
def replay(
    entities: np.ndarray,
    visible: np.ndarray,
    event: np.ndarray,
    created: np.ndarray,
    first_row: int,
    records: np.ndarray,
    width: int,
    times: np.ndarray,
    numbers: np.ndarray,
    more: bool,
    answers: np.ndarray,
    cursor: np.ndarray,
) -> Any:
    """Replay events from ``cursor[0]`` on, and answer the keys that come before each.

    Parameters
    ----------
    entities : array of shape (n,), int64
        Number of the entity of each event, negative for those of whom no key is.
    visible, event, created : array of shape (n,), int64
        When each is known, happened, was created.
    first_row : int
        Row of the first event.
    records : array of shape (n_entities * width,), int64
        Zeros at first; changed.
    width : int
        Words from record to record, at least those of an answer.
    times, numbers : array of shape (n_keys,), int64
        Of keys: ascending times, and the numbers of their entities.
    more : bool
        Whether other keys follow: then no event is replayed after the last of these is answered.
    answers : array of shape (1 to 3, n_keys), int64
        Output: row plus one, event time, created time, as many as records have.
    cursor : array of shape (3,), int64
        Next event, next key, and the time from which on the next events must be known; changed.

    Returns
    -------
    bool
        False where an event was known before the one in front of it; ``cursor[0]`` is that event.
    """
    i, k, last = cursor[0], cursor[1], cursor[2]
    words, next_row = answers.shape[0], np.int64(first_row + 1)
    while i < entities.size:
        end = min(i + np.int64(BATCH), np.int64(entities.size))
        for j in range(i, end):
            prefetch(records, np.uint64(max(entities[j], np.int64(0)) * width))
        for j in range(i, end):
            time = visible[j]
            if time < last:
                cursor[0] = j
                return False
            last = time
            while k < times.size and times[k] < time:
                _answer(k, numbers, records, width, answers)
                k += 1
            if more and k == times.size:
                cursor[0], cursor[1], cursor[2] = j, k, last
                return True
            if entities[j] < 0:
                continue
            record = np.uint64(entities[j] * width)
            if words == _LATE:
                before, made = records[record + _ONE], records[record + _ONE + _ONE]
                if records[record] != 0 and (event[j] < before or (event[j] == before and created[j] < made)):
                    continue
                records[record + _ONE + _ONE] = created[j]
            if words > 1:
                records[record + _ONE] = event[j]
            records[record] = next_row + j
        i = end
    cursor[0], cursor[1], cursor[2] = i, k, last
    return True


@kernel()
def answer_rest(k: int, numbers: np.ndarray, records: np.ndarray, width: int, answers: np.ndarray) -> None:
    """Answer the keys from `k` on, behind which no event comes; parameters as for `replay`."""
    for j in range(k, numbers.size):
        _answer(np.int64(j), numbers, records, width, answers)


@kernel(inline=True)
def _later(record: Any, records: Any, than: Any, place: Any, step: Any, words: Any) -> Any:
    """Return whether a record is of a later event than one of later rows; each may be of none."""
    if records[record] == 0 or than[place] == 0:
        return records[record] != 0
    if words < _LATE:  # events are in order
        return False
    a, b, s = record + _ONE, place + step, step
    return records[a] > than[b] or (records[a] == than[b] and records[a + _ONE] > than[b + s])


@kernel()
def carry_records(before: np.ndarray, records: np.ndarray, width: int, words: int) -> None:
    """Keep the later event of two records of each entity.

    Parameters
    ----------
    before, records : array of shape (n_entities * width,), int64
        Of earlier and of later rows; the second is changed.
    width, words : int
        Words from record to record, and of a record.
    """
    for g in range(records.size // width):
        a = np.uint64(g * width)
        if _later(a, before, records, a, _ONE, words):
            for c in range(words):
                records[a + np.uint64(c)] = before[a + np.uint64(c)]


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
        As for `replay`.
    answers : array of shape (1 to 3, n_keys), int64
        As `replay` leaves them; changed.
    """
    flat, step = answers.reshape(answers.size), np.uint64(numbers.size)
    for k in range(numbers.size):
        a = np.uint64(numbers[k] * width)
        if _later(a, before, flat, np.uint64(k), step, answers.shape[0]):
            for c in range(answers.shape[0]):
                answers[c, k] = before[a + np.uint64(c)]
