"""What was known when: the latest event, and sliding windows, by one walk through events and times of an entity.

Events of an entity are sorted by event time; they become visible in another order where some were created late. A
window takes up events in the second order and lets them go in the first. Sums are whole numbers, so adding and
removing are exact. The least and the greatest value wait in queues that hold only what may still become one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.jit import kernel
from scalable.kernels.timeline.words import MISSING


@kernel(inline=True)
def cut_before(time: Any, width: Any) -> Any:
    """Return ``time - width``, the first time that is too early for a window, without overflow."""
    return time - width if time >= MISSING + width else MISSING


@kernel()
def latest(
    starts: np.ndarray,
    key_starts: np.ndarray,
    times: np.ndarray,
    visible: np.ndarray,
    order: np.ndarray,
    out: np.ndarray,
) -> None:
    """Write the latest event known at each time, by event time, then time of creation, then row.

    Parameters
    ----------
    starts, key_starts : array of shape (n_groups + 1,), int64
        Where events and times of each entity start.
    times : array of shape (n_keys,), int64
        Ascending within an entity.
    visible : array of shape (n,), int64
        When events are known; events lie in the order in which later ones win.
    order : array of shape (n,), int64
        Events of each entity as they become visible.
    out : array of shape (n_keys,), int64
        Output: an event, or -1.
    """
    for g in range(starts.size - 1):
        p, found = starts[g], np.int64(-1)
        for q in range(key_starts[g], key_starts[g + 1]):
            while p < starts[g + 1] and visible[order[p]] <= times[q]:
                found = max(found, order[p])
                p += 1
            out[q] = found


@kernel(inline=True)
def _offer(queue: Any, head: Any, tail: Any, i: Any, words: Any, sign: Any) -> Any:
    """Put event `i` where it belongs in a queue of events in time, unless a later one beats it; return the new end."""
    at = tail
    if tail > head and queue[tail - 1] > i:  # late: between two of them
        below = head
        while below < at:
            middle = (below + at) // 2
            if queue[middle] > i:
                at = middle
            else:
                below = middle + 1
    value = sign * words[i]
    if at < tail and sign * words[queue[at]] <= value:
        return tail
    start = at
    while start > head and sign * words[queue[start - 1]] >= value:
        start -= 1
    if start == at:  # one late among others: room for it
        for k in range(tail, at, -1):
            queue[k] = queue[k - 1]
        queue[start] = i
        return tail + 1
    queue[start] = i
    for k in range(at, tail):
        queue[start + 1 + k - at] = queue[k]
    return start + 1 + tail - at


@kernel(inline=True)
def _first_from(queue: Any, head: Any, tail: Any, oldest: Any) -> Any:
    """Return the place of the first event in a queue that is not before `oldest`."""
    while head < tail and queue[head] < oldest:
        head += 1
    return head


@kernel()
def slide(
    starts: np.ndarray,
    key_starts: np.ndarray,
    times: np.ndarray,
    event: np.ndarray,
    visible: np.ndarray,
    order: np.ndarray,
    rank: np.ndarray,
    fixed: np.ndarray,
    words: np.ndarray,
    widths: np.ndarray,
    extremes: bool,
    queues: np.ndarray,
    out: np.ndarray,
) -> None:
    """Write what windows ``(t - width, t]`` hold of one column.

    One queue serves all windows: what is least in a window is the first in the queue that the window holds.

    Parameters
    ----------
    starts, key_starts, times, visible, order
        As for `latest`.
    event : array of shape (n,), int64
        Event times, ascending within an entity.
    rank : array of shape (n,), int64
        Place of each event in `order`.
    fixed, words : array of shape (n,), int64
        Values to add, and to compare; ``MISSING`` in both where there is none.
    widths : array of shape (n_windows,), int64
        Of the windows, widest first.
    extremes : bool
        Whether the least and greatest are wanted.
    queues : array of shape (2, n), int64
        Scratch; may be empty without `extremes`.
    out : array of shape (n_windows, 4, n_keys), int64
        Output: number of values, sum, least, greatest; the last two ``MISSING`` without values.
    """
    low, high = queues[0], queues[1]
    n_windows = widths.size
    oldest = np.empty(n_windows, np.int64)  # first event that each window has not let go
    count, total = np.empty(n_windows, np.int64), np.empty(n_windows, np.int64)
    for g in range(starts.size - 1):
        start, end = starts[g], starts[g + 1]
        p = low_head = low_tail = high_head = high_tail = start
        oldest[:], count[:], total[:] = start, 0, 0
        for q in range(key_starts[g], key_starts[g + 1]):
            taken, added = np.int64(0), np.int64(0)
            while p < end and visible[order[p]] <= times[q]:
                i = order[p]
                p += 1
                if fixed[i] == MISSING:
                    continue
                if i < oldest[n_windows - 1]:  # late: some windows let it go before it was known
                    for w in range(n_windows):
                        count[w] += np.int64(i >= oldest[w])
                        total[w] += fixed[i] if i >= oldest[w] else np.int64(0)
                else:
                    taken += 1
                    added += fixed[i]
                if extremes and i >= oldest[0]:
                    low_tail = _offer(low, low_head, low_tail, i, words, np.int64(1))
                    high_tail = _offer(high, high_head, high_tail, i, words, np.int64(-1))
            at_low, at_high = low_head, high_head
            for w in range(n_windows):
                cut = cut_before(times[q], widths[w])
                n, held, first = count[w] + taken, total[w] + added, oldest[w]
                while first < end and event[first] <= cut:
                    if rank[first] < p and fixed[first] != MISSING:
                        n -= 1
                        held -= fixed[first]
                    first += 1
                count[w], total[w], oldest[w] = n, held, first
                out[w, 0, q], out[w, 1, q] = n, held
                if extremes:
                    at_low = _first_from(low, at_low, low_tail, first)
                    at_high = _first_from(high, at_high, high_tail, first)
                    out[w, 2, q] = words[low[at_low]] if at_low < low_tail else MISSING
                    out[w, 3, q] = words[high[at_high]] if at_high < high_tail else MISSING
                    if w == 0:
                        low_head, high_head = at_low, at_high


@kernel()
def slide_distinct(
    starts: np.ndarray,
    key_starts: np.ndarray,
    times: np.ndarray,
    event: np.ndarray,
    visible: np.ndarray,
    order: np.ndarray,
    rank: np.ndarray,
    words: np.ndarray,
    numbers: np.ndarray,
    width: int,
    held: np.ndarray,
    out: np.ndarray,
) -> None:
    """Write how many different values windows ``(t - width, t]`` hold.

    Parameters
    ----------
    starts, key_starts, times, event, visible, order, rank, words, width
        As for `slide`.
    numbers : array of shape (n,), int64
        Number of the value within its entity, see `value_numbers`.
    held : array of shape (n,), int64
        Scratch.
    out : array of shape (n_keys,), int64
        Output.
    """
    for g in range(starts.size - 1):
        start, end = starts[g], starts[g + 1]
        held[start:end] = 0
        oldest = p = start
        different = np.int64(0)
        for q in range(key_starts[g], key_starts[g + 1]):
            cut = cut_before(times[q], width)
            while p < end and visible[order[p]] <= times[q]:
                i = order[p]
                p += 1
                if i >= oldest and words[i] != MISSING:
                    held[start + numbers[i]] += 1
                    different += np.int64(held[start + numbers[i]] == 1)
            while oldest < end and event[oldest] <= cut:
                if rank[oldest] < p and words[oldest] != MISSING:
                    held[start + numbers[oldest]] -= 1
                    different -= np.int64(held[start + numbers[oldest]] == 0)
                oldest += 1
            out[q] = different


@kernel()
def first_too_large(starts: np.ndarray, fixed: np.ndarray) -> Any:
    """Return an event in whose entity sums may exceed 63 bits; -1 for none."""
    for g in range(starts.size - 1):
        total = 0.0
        for i in range(starts[g], starts[g + 1]):
            total += 0.0 if fixed[i] == MISSING else abs(np.float64(fixed[i]))
            if total >= 9.2e18:
                return i
    return np.int64(-1)
