"""Histories: the events of one entity that may still count, packed in one row of words, and features looked up in it.

A row is ``[sum of the rest, n, complete from]``, n event times, n created times, then n words a column. Lookups count
what they find, one query at a time: another road than the sliding windows, to the same bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.encode.encoding import mix
from scalable.kernels.jit import kernel
from scalable.kernels.timeline.windows import cut_before
from scalable.kernels.timeline.words import MINUS_ZERO_WORD, MISSING, NAN_WORD, checksum, float_of

HEAD = 3
LATEST, SINCE, COUNT, SUM, MEAN, LEAST, GREATEST, DISTINCT = range(8)
LOOKUP = np.dtype(
    [
        ("function", np.int32),
        ("floating", np.bool_),  # the answer is a float
        ("word", np.int32),  # column of the values to compare; -1 counts events
        ("fixed", np.int32),  # column of the values to add
        ("window", np.int64),
        ("scale", np.float64),  # sums are divided by it
        ("place", np.int32),  # among the answers
        ("from_floats", np.bool_),  # words are those of floats, and NaN is no value
    ]
)


@kernel()
def first_kept(
    starts: np.ndarray, event: np.ndarray, visible: np.ndarray, horizon: int, longest: int, first: np.ndarray
) -> None:
    """Write the first event of each entity that counts at some time from `horizon` on.

    Parameters
    ----------
    starts : array of shape (n_groups + 1,), int64
        Where entities start, and the end of the last.
    event, visible : array of shape (n,), int64
        In order of time.
    horizon : int
        No time before it will be asked for.
    longest : int
        Widest window.
    first : array of shape (n_groups,), int64
        Output.
    """
    cut = cut_before(horizon, longest)
    for g in range(starts.size - 1):
        i = starts[g + 1] - 1
        while i >= starts[g] and visible[i] > horizon:
            i -= 1
        while i > starts[g] and event[i - 1] > cut:
            i -= 1
        first[g] = max(i, starts[g])


@kernel()
def pack_histories(
    starts: np.ndarray,
    first: np.ndarray,
    rows: np.ndarray,
    event: np.ndarray,
    created: np.ndarray,
    words: np.ndarray,
    fixed: np.ndarray,
    complete: np.ndarray,
    offsets: np.ndarray,
    out: np.ndarray,
) -> None:
    """Write the histories of entities one behind the other.

    Parameters
    ----------
    starts, first
        As for `first_kept`.
    rows : array of shape (n,), int64
        Where the values of each event are.
    event, created : array of shape (n,), int64
        In order of time.
    words : array of shape (n_columns, any), int64
        Values.
    fixed : array of shape (n_fixed, n), int64
        Further columns, in order of time.
    complete : array of shape (n_groups,), int64
        From which time on answers are those of all events.
    offsets : array of shape (n_groups + 1,), int64
        Where histories start in `out`.
    out : array of int64
        Output.
    """
    for g in range(starts.size - 1):
        n = starts[g + 1] - first[g]
        row = out[offsets[g] : offsets[g + 1]]
        row[1], row[2] = n, complete[g]
        for k in range(n):
            i = first[g] + k
            row[HEAD + k], row[HEAD + n + k] = event[i], created[i]
            for c in range(words.shape[0]):
                row[HEAD + (2 + c) * n + k] = words[c, rows[i]]
            for c in range(fixed.shape[0]):
                row[HEAD + (2 + words.shape[0] + c) * n + k] = fixed[c, i]
        row[0] = checksum(row[1:])


@kernel()
def history_size(row: np.ndarray, n_columns: int) -> Any:
    """Return the number of events in a row; -1 for one that is damaged."""
    if row.size < HEAD or row[1] < 0 or row[1] > row.size:
        return np.int64(-1)
    if HEAD + (2 + n_columns) * row[1] != row.size or checksum(row[1:]) != row[0]:
        return np.int64(-1)
    return row[1]


@kernel(inline=True)
def _comparable(word: Any, floats: Any) -> Any:
    """Return a word that is equal where values are: -0.0 is 0.0."""
    return np.int64(0) if floats and word == MINUS_ZERO_WORD else word


@kernel(inline=True)
def _different(row: Any, at: Any, n: Any, low: Any, time: Any, floats: Any) -> Any:
    """Return how many different values of known events there are from event `low` on; NaN is none."""
    size = 4
    while size < 2 * (n - low):
        size *= 2
    table, mask, found = np.full(size, -1, np.int64), np.uint64(size - 1), np.int64(0)
    for i in range(low, n):
        word = _comparable(row[at + i], floats)
        if row[HEAD + i] > time or row[HEAD + n + i] > time:
            continue
        if word == MISSING or (floats and word == NAN_WORD):
            continue
        place = mix(np.uint64(word)) & mask
        while table[place] >= 0 and _comparable(row[at + table[place]], floats) != word:
            place = (place + np.uint64(1)) & mask
        if table[place] < 0:
            table[place] = i
            found += 1
    return found


@kernel(inline=True)
def _bits(value: Any) -> Any:
    """Return the bits of a float."""
    return np.float64(value).view(np.int64)


@kernel()
def look_up(room: np.ndarray, size: int, n_columns: int, time: int, ttl: int, plan: np.ndarray) -> Any:
    """Write the features of one entity at a time.

    Parameters
    ----------
    room : array of int64
        Begins with a word for each feature, the output, by its place: int64, or the bits of float64; missing ones are
        ``MISSING`` and NaN. Behind them is the entity's history.
    size : int
        Words of it; 0 for an entity without events.
    n_columns : int
        Columns of a history.
    time : int
        What was known then.
    ttl : int
        Age from which the latest event is none; 0 for never.
    plan : array of ``LOOKUP``
        Features; those of one column and window follow each other.

    Returns
    -------
    int
        Number of missing whole numbers; -1 for a damaged row, -2 where `time` is before the row is complete.
    """
    row, out = room[plan.size : plan.size + size], room
    n = np.int64(0)
    if row.size:
        n = history_size(row, n_columns)
        if n < 0:
            return np.int64(-1)
        if time < row[2]:
            return np.int64(-2)
    last = n - 1
    while last >= 0 and (row[HEAD + last] > time or row[HEAD + n + last] > time):
        last -= 1
    if last >= 0 and ttl > 0 and np.uint64(time - row[HEAD + last]) >= np.uint64(ttl):
        last = np.int64(-1)
    count, total, least, greatest, low = np.int64(0), np.int64(0), MISSING, MISSING, n
    missing = np.int64(0)
    for k in range(plan.size):
        one = plan[k]
        if one.function in (LATEST, SINCE):
            found = row[HEAD + (2 + one.word) * n + last] if last >= 0 else MISSING
            if one.function == SINCE:
                age = np.uint64(time - row[HEAD + last]) / 1e9 if last >= 0 else np.nan
                out[one.place] = _bits(age)
            elif one.floating:
                out[one.place] = _bits(float_of(found))
            else:
                out[one.place] = found
                missing += np.int64(found == MISSING)
            continue
        if k == 0 or plan[k - 1].window != one.window or plan[k - 1].word != one.word:
            cut, low = cut_before(time, one.window), n
            count, total, least, greatest = np.int64(0), np.int64(0), MISSING, MISSING
            at, added = HEAD + (2 + one.word) * n, HEAD + (2 + one.fixed) * n
            while low > 0 and row[HEAD + low - 1] > cut:
                low -= 1
                if row[HEAD + low] > time or row[HEAD + n + low] > time:
                    continue
                word = row[at + low] if one.word >= 0 else np.int64(0)
                if word == MISSING or (one.from_floats and word == NAN_WORD):
                    continue
                total += row[added + low] if one.fixed >= 0 else np.int64(0)
                least = word if count == 0 or word < least else least
                greatest = word if count == 0 or word > greatest else greatest
                count += 1
        if one.function == DISTINCT:
            out[one.place] = _different(row, HEAD + (2 + one.word) * n, n, low, time, one.from_floats)
        elif one.function == MEAN:
            out[one.place] = _bits(np.float64(total) / one.scale / count if count else np.nan)
        elif one.function == SUM and one.floating:
            out[one.place] = _bits(np.float64(total) / one.scale)
        else:
            found = count
            if one.function == SUM:
                found = total
            elif one.function == LEAST:
                found = least
            elif one.function == GREATEST:
                found = greatest
            if one.floating:
                out[one.place] = _bits(float_of(found))
            else:
                out[one.place] = found
                missing += np.int64(found == MISSING)
    return missing
