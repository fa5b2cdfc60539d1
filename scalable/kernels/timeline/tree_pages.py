"""Pages of LMDB's B+ trees, walked with every place checked: LMDB itself follows them wherever they lead.

A page begins with 16 bytes: its number, flags, where the places of its nodes end and where the nodes begin. Places are
16 bits each, in the order of the keys. A node is 8 bytes, its key, and a value or where that lies.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.jit import kernel

HEAD = 16  # bytes of a page that no node has
NODE = 8  # bytes of a node before its key
BRANCH, LEAF, OVERFLOW = 1, 2, 4  # flags of pages
ELSEWHERE, SUBTREE = 1, 2  # flags of nodes: the value lies on pages of its own; it is the record of a tree
RECORD = 48  # bytes of a tree's record
LARGEST_KEY = 511
DEEPEST = 32
VALUES, TREES, FREE = range(3)  # what a tree holds: rows, records of trees, numbers of free pages
N_BRANCHES, N_LEAVES, N_OVERFLOWS, N_ENTRIES = range(4)
SOUND = -1


@kernel(inline=True)
def number_at(file: np.ndarray, at: int, n_bytes: int) -> Any:
    """Return the number in some bytes, the lowest first."""
    value = np.int64(0)
    for k in range(n_bytes):
        value |= np.int64(file[at + k]) << (8 * k)
    return value


@kernel()
def precedes(file: np.ndarray, one: int, n_one: int, other: int, n_other: int, numbers: bool) -> bool:
    """Return whether one key is before another; keys of `numbers` are 8 bytes, the lowest first."""
    if numbers:
        for k in range(7, -1, -1):
            if file[one + k] != file[other + k]:
                return bool(file[one + k] < file[other + k])
        return False
    for k in range(min(n_one, n_other)):
        if file[one + k] != file[other + k]:
            return bool(file[one + k] < file[other + k])
    return n_one < n_other


@kernel()
def is_page(file: np.ndarray, page_size: int, page: int, flags: int, used: np.ndarray) -> bool:
    """Return whether a page lies in the file, is of its kind, and was not met before; it is `used` from now on."""
    if page < 2 or page >= used.size or used[page] != 0:
        return False
    used[page] = 1
    base = page * page_size
    return bool(number_at(file, base, 8) == page and number_at(file, base + 10, 2) == flags)


@kernel()
def value_of(file: np.ndarray, page_size: int, node: int, used: np.ndarray, counts: np.ndarray) -> Any:
    """Return where the value of a leaf's node begins, -1 where it cannot be, and count its own pages."""
    size, flags = number_at(file, node, 4), number_at(file, node + 4, 2)
    at = node + NODE + number_at(file, node + 6, 2)
    if flags & ELSEWHERE == 0:
        return at
    first = number_at(file, at, 8)
    if not is_page(file, page_size, first, OVERFLOW, used):
        return -1
    n_pages = number_at(file, first * page_size + 12, 4)  # a larger value may have been there before
    if n_pages > used.size - first or HEAD + size > n_pages * page_size:
        return -1
    for page in range(first + 1, first + n_pages):
        if used[page] != 0:
            return -1
        used[page] = 1
    counts[N_OVERFLOWS] += n_pages
    return first * page_size + HEAD


@kernel()
def nodes_lie_within(file: np.ndarray, page_size: int, page: int, leaf: bool, holds: int) -> bool:
    """Return whether a page's nodes fill what lies behind its places, and hold what they should."""
    base = page * page_size
    lower, upper = number_at(file, base + 12, 2), number_at(file, base + 14, 2)
    if lower <= HEAD or lower & 1 != 0 or lower > upper or upper > page_size:
        return False
    filled = upper
    for k in range((lower - HEAD) >> 1):
        place = number_at(file, base + HEAD + 2 * k, 2)
        if place < upper or place > page_size - NODE:
            return False
        node = base + place
        flags, n_key = number_at(file, node + 4, 2), number_at(file, node + 6, 2)
        length = NODE + n_key
        if n_key > LARGEST_KEY:
            return False
        if leaf:
            if (flags & ~ELSEWHERE != 0) if holds != TREES else (flags != SUBTREE):
                return False
            if n_key == 0 or (holds == FREE and n_key != 8):
                return False
            length += 8 if flags & ELSEWHERE else number_at(file, node, 4)
            if holds == TREES and length != NODE + n_key + RECORD:
                return False
        elif holds == FREE and n_key != 8 and k > 0:
            return False
        if place + length > page_size:
            return False
        filled += length + (length & 1)
    return bool(filled == page_size)


@kernel()
def free_pages(file: np.ndarray, at: int, size: int, used: np.ndarray) -> bool:
    """Return whether a value is a list of free pages that nobody uses; they are `used` from now on."""
    if size < 8:
        return False
    n = number_at(file, at, 8)
    if n < 0 or n > size // 8 - 1:
        return False
    for k in range(1, n + 1):
        page = number_at(file, at + 8 * k, 8)
        if page < 2 or page >= used.size or used[page] != 0:
            return False
        used[page] = 1
    return True


@kernel()
def walk_tree(
    file: np.ndarray, page_size: int, root: int, depth: int, holds: int, used: np.ndarray, counts: np.ndarray,
    records: np.ndarray,
) -> Any:  # fmt: skip
    """Walk a tree from its root, in the order of its keys, as a lookup may: each key must be where it is looked for.

    Parameters
    ----------
    file : array of uint8
        As many whole pages as `used` has.
    page_size, root, depth : int
        Bytes of a page, the number of the first, and how many lie above one another.
    holds : int
        ``VALUES``, ``TREES`` or ``FREE``.
    used : array of uint8
        By page, 1 where it is part of a tree already; filled.
    counts : array of shape (4,), int64
        Output: pages of branches, of leaves and of large values, and entries.
    records : array of int64
        Output: where the records of trees lie, if it holds any.

    Returns
    -------
    page : int
        The first page that is damaged, -1 for none.
    """
    counts[:] = 0
    if depth < 1 or depth > DEEPEST:
        return root
    pages, following = np.empty(DEEPEST, np.int64), np.empty(DEEPEST, np.int64)
    bounds = np.empty((DEEPEST, 2), np.int64)  # keys of branches, which the next one must not precede
    n_bounds, before, n_before, level = 0, -1, 0, 0
    pages[0], following[0] = root, -1
    while level >= 0:
        page, leaf = pages[level], level == depth - 1
        if following[level] < 0:
            if not is_page(file, page_size, page, LEAF if leaf else BRANCH, used):
                return page
            if not nodes_lie_within(file, page_size, page, leaf, holds):
                return page
            following[level] = 0
        base = page * page_size
        n = (number_at(file, base + 12, 2) - HEAD) >> 1
        k = following[level]
        if k == n:
            counts[N_LEAVES if leaf else N_BRANCHES] += 1
            level -= 1
            continue
        following[level] += 1
        node = base + number_at(file, base + HEAD + 2 * k, 2)
        key, n_key = node + NODE, number_at(file, node + 6, 2)
        if (
            before >= 0
            and (leaf or k > 0)
            and not precedes(file, before, n_before, key, n_key, holds == FREE)
        ):
            return page
        if not leaf:
            if k > 0:
                bounds[n_bounds] = key, n_key
                n_bounds += 1
            level += 1
            pages[level], following[level] = number_at(file, node, 6), -1
            continue
        for b in range(n_bounds):
            if precedes(file, key, n_key, bounds[b, 0], bounds[b, 1], holds == FREE):
                return page
        n_bounds, before, n_before = 0, key, n_key
        value = value_of(file, page_size, node, used, counts)
        if value < 0 or (holds == FREE and not free_pages(file, value, number_at(file, node, 4), used)):
            return page
        if holds == TREES:
            if counts[N_ENTRIES] >= records.size:
                return page
            records[counts[N_ENTRIES]] = value
        counts[N_ENTRIES] += 1
    return SOUND
