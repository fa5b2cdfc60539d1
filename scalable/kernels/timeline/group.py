"""Rows grouped by entity and sorted in time, without sorting what is in order already."""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.copying import copy_values
from scalable.kernels.encode.encoding import mix
from scalable.kernels.jit import kernel

_FEW = 24  # sorted by insertion
_CELLS = 16
_WORD, _NUMBER = (
    np.uint64(0),
    np.uint64(1),
)  # columns of a hash table: signed ones are checked for wrap-around


@kernel(inline=True)
def _place(entity: Any, check: Any, table: Any, checks: Any) -> Any:
    """Return where an entity is in the hash table, or where it would be: the group is -1 there."""
    mask = np.uint64(table.shape[0] - 1)
    at = mix(np.uint64(entity)) & mask
    known = table[at, _NUMBER]
    while known >= 0 and (table[at, _WORD] != entity or checks[np.uint64(known)] != check):
        at = (at + np.uint64(1)) & mask
        known = table[at, _NUMBER]
    return at


@kernel()
def assign_groups(
    entity: np.ndarray, check: np.ndarray, table: np.ndarray, checks: np.ndarray, groups: np.ndarray
) -> Any:
    """Give numbers to the entities by first appearance.

    Parameters
    ----------
    entity, check : array of shape (n,), int64
        Whom rows are about, in 128 bits.
    table : int64 array of shape (a power of two of at least 2 n, 2)
        Filled with -1; afterwards the first word and the number of each entity, at its hash.
    checks : array of shape (n,), int64
        Output: second word of each entity.
    groups : array of shape (n,), int32
        Output: number of the entity of each row.

    Returns
    -------
    int
        How many entities there are.
    """
    n_groups = 0
    for i in range(entity.size):
        at = _place(entity[i], check[i], table, checks)
        if table[at, _NUMBER] < 0:
            table[at, _WORD], table[at, _NUMBER] = entity[i], n_groups
            checks[n_groups] = check[i]
            n_groups += 1
        groups[i] = table[at, _NUMBER]
    return n_groups


@kernel()
def find_groups(
    entity: np.ndarray, check: np.ndarray, table: np.ndarray, checks: np.ndarray, groups: np.ndarray
) -> None:
    """Write the group that `assign_groups` gave the entity of each row; -1 for one it did not see.

    Parameters
    ----------
    entity, check : array of shape (n,), int64
        Of the rows to find.
    table, checks
        What `assign_groups` filled.
    groups : array of shape (n,), int32
        Output.
    """
    for i in range(entity.size):
        groups[i] = table[_place(entity[i], check[i], table, checks), _NUMBER]


@kernel()
def group_rows(groups: np.ndarray, starts: np.ndarray, order: np.ndarray) -> None:
    """Sort rows by group, those of a group in their order (counting sort).

    Parameters
    ----------
    groups : array of shape (n,), int32
        Group of each row; negative ones are left out.
    starts : array of shape (n_groups + 2,), int64
        Output, zeros before: rows of group g are ``order[starts[g]:starts[g + 1]]``. The last entry is scratch.
    order : array of shape (n,), int64
        Output; as many as are in a group are written.
    """
    for i in range(groups.size):
        if groups[i] >= 0:
            starts[groups[i] + 2] += 1
    for g in range(2, starts.size):
        starts[g] += starts[g - 1]
    for i in range(groups.size):
        if groups[i] >= 0:
            order[starts[groups[i] + 1]] = i
            starts[groups[i] + 1] += 1


@kernel()
def gather(values: np.ndarray, rows: np.ndarray, out: np.ndarray) -> None:
    """Write ``values[rows]`` to memory that is there: a third of the time of NumPy's, most of it for new pages.

    Parameters
    ----------
    values : array of shape (n,), int64
    rows : array of shape (m,), int64
        Each in ``[0, n)``.
    out : array of shape (m,), int64
        Output.
    """
    for i in range(rows.size):
        out[i] = values[np.uint64(rows[i])]


@kernel(inline=True)
def _last_begun(value: Any, begins: Any, low: Any, high: Any) -> Any:
    """Return the last of ascending `begins`, from `low` to `high`, that is not above `value`; `low` where none is."""
    while low < high:
        middle = (low + high + np.int64(1)) >> np.int64(1)
        begun = begins[np.uint64(middle)] <= value
        low, high = (middle, high) if begun else (low, middle - np.int64(1))
    return low


@kernel()
def divide_rows(rows: np.ndarray, firsts: np.ndarray, group: np.ndarray, within: np.ndarray) -> None:
    """Write in which group each row lies, and the how manieth of it it is.

    Between the first rows of the second group and the last, `_CELLS` cells a group tell nearly where to look.

    Parameters
    ----------
    rows : array of shape (n,), int64
        Negative for none.
    firsts : array of shape (n_groups,), int64
        First row of each group, ascending.
    group : array of shape (n,), int32
        Output; negative for none.
    within : array of shape (n,), int64
        Output; may be empty where nobody asks for it.
    """
    last, n_cells = np.int64(firsts.size - 1), np.int64(_CELLS * firsts.size)
    second = firsts[min(np.int64(1), last)]  # the first may be as far from it as numbers reach
    span, shift = np.uint64(firsts[last]) - np.uint64(second), np.uint64(0)
    while span >> shift >= np.uint64(n_cells):
        shift += np.uint64(1)
    cells = np.empty(n_cells + 1, np.int32)
    for c in range(n_cells):
        offset = np.uint64(c) << shift
        cells[c] = (
            _last_begun(second + np.int64(offset), firsts, np.int64(0), last) if offset <= span else last
        )
    cells[n_cells] = last
    for i in range(rows.size):
        row = rows[i]
        if row < second:
            found = np.int64(row >= firsts[0]) - np.int64(1)
        else:
            cell = min((np.uint64(row) - np.uint64(second)) >> shift, np.uint64(n_cells - 1))
            found = _last_begun(row, firsts, np.int64(cells[cell]), np.int64(cells[cell + np.uint64(1)]))
        group[i] = found
        if within.size:
            within[i] = row - (firsts[np.uint64(found)] if found >= 0 else np.int64(0))


@kernel(inline=True)
def _before(a: Any, b: Any, first: Any, second: Any) -> Any:
    return first[a] < first[b] or (first[a] == first[b] and second[a] < second[b])


@kernel()
def sort_runs(
    order: np.ndarray, starts: np.ndarray, first: np.ndarray, second: np.ndarray, scratch: np.ndarray
) -> None:
    """Sort each run of `order` by two keys, stably.

    Parameters
    ----------
    order : array of shape (n,), int64
        Row numbers; sorted in place.
    starts : array of shape (n_runs + 1,), int64
        Where runs start, and the end of the last.
    first, second : array of int64
        Keys of a row.
    scratch : array of shape (n,), int64
        Anything.
    """
    for run in range(starts.size - 1):
        a, b = starts[run], starts[run + 1]
        i = a + 1
        while i < b and not _before(order[i], order[i - 1], first, second):
            i += 1
        if i >= b:
            continue
        for left in range(a, b, _FEW):
            for i in range(left + 1, min(left + _FEW, b)):
                row, j = order[i], i
                while j > left and _before(row, order[j - 1], first, second):
                    order[j] = order[j - 1]
                    j -= 1
                order[j] = row
        width = _FEW
        while width < b - a:
            for left in range(a, b, 2 * width):
                middle, right = min(left + width, b), min(left + 2 * width, b)
                i, j = left, middle
                for k in range(left, right):
                    if i < middle and (j >= right or not _before(order[j], order[i], first, second)):
                        scratch[k] = order[i]
                        i += 1
                    else:
                        scratch[k] = order[j]
                        j += 1
            copy_values(scratch[a:b], order[a:b])
            width *= 2


@kernel()
def is_sorted(starts: np.ndarray, first: np.ndarray, second: np.ndarray) -> Any:
    """Return whether the rows of each run are in order of two keys."""
    for run in range(starts.size - 1):
        for i in range(starts[run] + 1, starts[run + 1]):
            if _before(i, i - 1, first, second):
                return False
    return True


@kernel()
def value_numbers(starts: np.ndarray, words: np.ndarray, table: np.ndarray, out: np.ndarray) -> None:
    """Give numbers to the different values within each run, from 0 on.

    Parameters
    ----------
    starts : array of shape (n_runs + 1,), int64
        Where runs start, and the end of the last.
    words : array of shape (n,), int64
        Values.
    table : array of int64, a power of two of at least twice the longest run
        Scratch.
    out : array of shape (n,), int64
        Output.
    """
    for run in range(starts.size - 1):
        a, b = starts[run], starts[run + 1]
        size = 2
        while size < 2 * (b - a):
            size *= 2
        table[:size] = -1
        mask, n = np.uint64(size - 1), 0
        for i in range(a, b):
            at = mix(np.uint64(words[i])) & mask
            while table[at] >= 0 and words[table[at]] != words[i]:
                at = (at + np.uint64(1)) & mask
            if table[at] < 0:
                table[at] = i
                out[i] = n
                n += 1
            else:
                out[i] = out[table[at]]


@kernel()
def _mark_tied(start: int, end: int, rows: np.ndarray, words: np.ndarray, repeated: np.ndarray) -> Any:
    """Mark those of events of one time that equal a later one; return how many."""
    size, found = 2, 0
    while size < 2 * (end - start):
        size *= 2
    table, mask = np.full(size, -1, np.int64), np.uint64(size - 1)
    for i in range(end - 1, start - 1, -1):
        h = np.uint64(0)
        for c in range(words.shape[0]):
            h = mix(h ^ np.uint64(words[c, rows[i]]))
        at = mix(h) & mask
        repeated[i] = False
        while table[at] >= 0 and not repeated[i]:
            same = True
            for c in range(words.shape[0]):
                same &= words[c, rows[table[at]]] == words[c, rows[i]]
            repeated[i] = same
            at = (at + np.uint64(1)) & mask
        if repeated[i]:
            found += 1
        else:
            table[at] = i
    return found


@kernel()
def mark_repeated(
    starts: np.ndarray,
    rows: np.ndarray,
    event: np.ndarray,
    created: np.ndarray,
    words: np.ndarray,
    repeated: np.ndarray,
) -> Any:
    """Mark events that equal a later one of their entity in times and values: what is latest stays so without them.

    Parameters
    ----------
    starts : array of shape (n_groups + 1,), int64
        Where entities start, and the end of the last.
    event, created : array of shape (n,), int64
        Sorted within an entity by the first, then the second.
    rows : array of shape (n,), int64
        Where the values of each event are.
    words : array of shape (n_columns, any), int64
        Values.
    repeated : array of shape (n,), bool
        Output.

    Returns
    -------
    int
        How many were marked.
    """
    found = 0
    for g in range(starts.size - 1):
        i = starts[g]
        while i < starts[g + 1]:
            end = i + 1
            while end < starts[g + 1] and event[end] == event[i] and created[end] == created[i]:
                end += 1
            repeated[i] = False
            if end - i > 1:
                found += _mark_tied(i, end, rows, words, repeated)
            i = end
    return found
