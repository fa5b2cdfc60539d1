"""Numbers of entities by their hash: a table of buckets that are one line of the cache each, searched without a branch.

A place holds the lower half of a hash, and the number plus one above it; 0 is free. The upper half says which bucket is
looked into first; one that is full is followed by the next. Halves differ among those who may meet, or the table is
refused: so who asks for an entity finds one number or none, and compares the whole hash with that number's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.jit import kernel
from scalable.kernels.prefetch import prefetch

BATCH = 256  # rows that are looked up together, so that their cache misses overlap
PLACES = 8  # of a bucket
_HALF, _SHIFT, _ONE = np.uint64(32), np.int64(32), np.int64(1)
_LOW = np.int64(2**32 - 1)
_PLACES = np.uint64(PLACES)


@kernel(inline=True)
def first_bucket(word: Any, n_buckets: Any) -> Any:
    """Return the first place of the bucket that a hash is looked for first."""
    return (((np.uint64(word) >> _HALF) * n_buckets) >> _HALF) * _PLACES


@kernel(inline=True)
def _matching(word: Any, buckets: Any, at: Any) -> Any:
    """Return the place of a bucket that holds the lower half of a hash, 0 for none."""
    half, found = word & _LOW, np.int64(0)
    for k in range(PLACES):
        place = buckets[at + np.uint64(k)]
        found |= place if place & _LOW == half else np.int64(0)
    return found


@kernel(inline=True)
def number_of(word: Any, buckets: Any, n_buckets: Any) -> Any:
    """Return the only number that may be a hash's, -1 for none."""
    at = first_bucket(word, n_buckets)
    found = _matching(word, buckets, at)
    while found == 0 and buckets[at + _PLACES - np.uint64(1)] != 0:
        at = at + _PLACES if at + _PLACES < np.uint64(buckets.size) else np.uint64(0)
        found = _matching(word, buckets, at)
    return (found >> _SHIFT) - _ONE


@kernel()
def enter_numbers(
    words: np.ndarray,
    checks: np.ndarray,
    left_out: np.ndarray,
    buckets: np.ndarray,
    members: np.ndarray,
    told: np.ndarray,
) -> Any:
    """Give numbers to entities by first appearance.

    Parameters
    ----------
    words, checks : array of shape (n,), int64
        Hash of the entity of each row, and what else tells it from others; empty where nothing does.
    left_out : array of shape (n,), bool
        Rows without entity.
    buckets : array of shape (n_buckets * PLACES,), int64
        On a line of the cache; zeros at first. Changed.
    members : array of shape (2, room) or (1, room), int64
        Hash and check, where there are checks, of each number; room for fewer than there are places. Changed.
    told : array of shape (2,), int64
        First row to enter, and numbers given; changed to the row that found no room, or n, and the numbers given then.

    Returns
    -------
    bool
        False where two entities cannot be told apart by halves of their hashes: the table is of no use.
    """
    n_buckets, n, begin = np.uint64(buckets.size // PLACES), told[1], told[0]
    hashes, found = members[0], np.empty(BATCH, np.int64)
    for left in range(begin, words.size, BATCH):
        m: Any = min(np.int64(BATCH), words.size - left)
        for j in range(m):
            prefetch(buckets, first_bucket(words[left + j], n_buckets))
        for j in range(m):
            found[j] = number_of(words[left + j], buckets, n_buckets)
            prefetch(hashes, np.uint64(max(found[j], np.int64(0))))
        for j in range(m):
            i, number = left + j, found[j]
            if left_out[i]:
                continue
            if number < 0:  # or it came since
                number = number_of(words[i], buckets, n_buckets)
            if number >= 0:
                if hashes[number] != words[i] or (checks.size and members[1, number] != checks[i]):
                    return False
                continue
            if n == hashes.size:
                told[0], told[1] = i, n
                return True
            at = first_bucket(words[i], n_buckets)
            while buckets[at] != 0:
                at = at + np.uint64(1) if at + np.uint64(1) < np.uint64(buckets.size) else np.uint64(0)
            buckets[at] = ((n + _ONE) << _SHIFT) | (words[i] & _LOW)
            hashes[n] = words[i]
            if checks.size:
                members[1, n] = checks[i]
            n += 1
    told[0], told[1] = words.size, n
    return True


@kernel()
def find_numbers(
    words: np.ndarray,
    checks: np.ndarray,
    left_out: np.ndarray,
    buckets: np.ndarray,
    members: np.ndarray,
    out: np.ndarray,
) -> None:
    """Write the number that `enter_numbers` gave the entity of each row, -1 for none; parameters as there."""
    n_buckets, hashes = np.uint64(buckets.size // PLACES), members[0]
    for left in range(0, words.size, BATCH):
        m: Any = min(np.int64(BATCH), words.size - left)
        for j in range(m):
            prefetch(buckets, first_bucket(words[left + j], n_buckets))
        for j in range(m):
            i = left + j
            out[i] = np.int64(-1) if left_out[i] else number_of(words[i], buckets, n_buckets)
            prefetch(hashes, np.uint64(max(out[i], np.int64(0))))
        for j in range(m):
            i = left + j
            if out[i] >= 0 and (
                hashes[out[i]] != words[i] or (checks.size and members[1, out[i]] != checks[i])
            ):
                out[i] = -1


@kernel()
def number_range(entities: np.ndarray, left_out: np.ndarray, least: int, n: int, out: np.ndarray) -> None:
    """Write how far whole entities are from the least of a range, -1 for those outside.

    Parameters
    ----------
    entities : array of shape (n_rows,), int64
    left_out : array of shape (n_rows,), bool
        Rows without entity.
    least, n : int
        First entity of the range, and how many there are.
    out : array of shape (n_rows,), int64
        Output.
    """
    first, size = np.uint64(np.int64(least)), np.uint64(n)
    for i in range(entities.size):
        far = np.uint64(entities[i]) - first  # beyond 2^63 for those below
        inside = (far < size) & ~left_out[i]
        out[i] = np.int64(far) if inside else np.int64(-1)
