"""One row through a whole forest: all trees advance together, level by level, without unpredictable branches.

Following one tree mispredicts at nearly every level. Here the top levels are decided for 32 trees at a time (see
``forest_top``); then a list holds the trees that have not reached a leaf, and
one sweep advances each by one level, comparing ranks, and appends it to the next list unless it arrived: the store is
unconditional and only the list's length depends on the data. Steps of different trees are independent, so their
loads overlap; the work is the sum of the path lengths, not the sum of the depths.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.forest.links import link_one
from scalable.kernels.forest.rank import RANK_CATEGORY, RANK_ZERO, ZERO
from scalable.kernels.forest.row_top import DEPTH, LANES, descend_top
from scalable.kernels.jit import kernel
from scalable.kernels.memory import (
    load_f64,
    load_i64,
    load_u8,
    load_u16,
    load_u32,
    load_u64,
    store_u8,
    store_u16,
    store_u32,
    store_u64,
)

# Places in the header of a frozen model (64-bit words); the *_AT entries are byte offsets from its start.
(
    H_FEATURES, H_OUTPUTS, H_TREES, H_COLUMNS, H_LINK, H_SCALE, H_DIVISOR, H_CATEGORIES,
    H_COLUMN_AT, H_THRESHOLD_AT, H_CLASS_AT, H_SIGNATURE_AT, H_NODE_AT, H_RANK_AT, H_LIST_AT, H_STATE_AT,
    H_GROUPS, H_TOP_AT, H_EXIT_AT, H_BYTE_AT, H_CODE_AT,
) = range(21)  # fmt: skip
HEADER_WORDS = 24
PARTS = (
    H_COLUMN_AT, H_THRESHOLD_AT, H_CLASS_AT, H_SIGNATURE_AT, H_NODE_AT, H_RANK_AT, H_LIST_AT, H_STATE_AT,
    H_TOP_AT, H_EXIT_AT, H_BYTE_AT, H_CODE_AT,
)  # in the order in which they lie in memory  # fmt: skip
# A column: feature, kind, rank of a missing value, byte offset of its thresholds or category classes, search steps
# or number of categories, first rank slot, words per signature, byte offset of its signatures, rank byte (`NO_BYTE`
# when the column has none).
COLUMN_WORDS = 9
NO_BYTE = 255
# A node: rank slot (16 bits), threshold (16 bits; IN_SET + bit for category sets), first child (30 bits), whether
# the left and the right child are inner. Where a child is a leaf, its entry is the leaf's value, a double.
IN_SET = 0x8000
LEFT_INNER, RIGHT_INNER = 62, 63
MAX_ENTRIES, MAX_SLOTS = 2**30, 2**16

_1, _8 = np.uint64(1), np.uintp(8)


@kernel(inline=True)
def _place(model: Any, word: Any) -> Any:
    """Return the address that a header word points to."""
    return model + np.uintp(load_u64(model + np.uintp(8 * word)))


@kernel(inline=True)
def _rank(value: Any, column: Any, thresholds: Any) -> Any:
    """Return the rank of a value among a numeric column's thresholds."""
    at, bit = thresholds + np.uintp(load_u64(column + np.uintp(24))), load_u64(column + np.uintp(32))
    rank = np.uint64(0)
    while bit > np.uint64(0):
        bit -= _1
        probe = np.uintp(rank + (_1 << bit) - _1) << np.uintp(3)
        rank += np.uint64(load_f64(at + probe) < value) << bit
    missing = not abs(value) > ZERO if load_u64(column + _8) == np.uint64(RANK_ZERO) else np.isnan(value)
    return load_u64(column + np.uintp(16)) if missing else rank


@kernel(inline=True)
def _signature(value: Any, column: Any, classes: Any, signatures: Any, out: Any) -> None:
    """Copy the signature of a value's category: one bit per category set."""
    member = np.uintp(0)
    if value > -1.0 and value < np.float64(load_u64(column + np.uintp(32))):
        first = classes + np.uintp(load_u64(column + np.uintp(24)))
        member = np.uintp(load_u32(first + (np.uintp(np.int64(value)) << np.uintp(2))))
    words = np.uintp(load_u64(column + np.uintp(48)))
    source = signatures + np.uintp(load_u64(column + np.uintp(56))) + member * words * _8
    for w in range(words):
        store_u64(out + np.uintp(8 * w), load_u64(source + np.uintp(8 * w)))


@kernel(inline=True)
def _ranks(model: Any, x: Any) -> None:
    """Fill the rank slots of one row."""
    column, ranks = _place(model, H_COLUMN_AT), _place(model, H_RANK_AT)
    thresholds, classes = _place(model, H_THRESHOLD_AT), _place(model, H_CLASS_AT)
    signatures, rank_bytes = _place(model, H_SIGNATURE_AT), _place(model, H_BYTE_AT)
    end = column + np.uintp(load_u64(model + np.uintp(8 * H_COLUMNS))) * np.uintp(8 * COLUMN_WORDS)
    while column < end:
        value = x[np.uintp(load_u64(column))]
        slot = ranks + (np.uintp(load_u64(column + np.uintp(40))) << np.uintp(1))
        if load_u64(column + _8) == np.uint64(RANK_CATEGORY):
            _signature(value, column, classes, signatures, slot)
        else:
            rank = _rank(value, column, thresholds)
            store_u16(slot, np.uint16(rank))
            store_u8(rank_bytes + np.uintp(load_u64(column + np.uintp(64))), np.uint8(rank ^ np.uint64(0x80)))
        column += np.uintp(8 * COLUMN_WORDS)


@kernel(inline=True)
def _top(model: Any) -> Any:
    """Decide the top levels of all trees; list the trees that go on and return how many they are."""
    trees, codes = load_u64(model + np.uintp(8 * H_TREES)), _place(model, H_CODE_AT)
    groups = load_i64(model + np.uintp(8 * H_GROUPS))
    chunks = (np.int64(trees) + LANES - 1) // LANES
    descend_top(_place(model, H_TOP_AT), chunks, _place(model, H_BYTE_AT), groups, codes)
    exits, out, state = _place(model, H_EXIT_AT), _place(model, H_LIST_AT), _place(model, H_STATE_AT)
    begin, tree = out, np.uint64(0)
    while tree < trees:
        code = np.uintp(load_u8(codes + np.uintp(tree)))
        entry = np.uint64(load_u32(exits + (code << np.uintp(2))))  # inner << 31 | position in nodes
        here = entry & np.uint64(MAX_ENTRIES - 1)
        store_u32(state, np.uint32(here))
        store_u64(out, (tree << np.uint64(32)) | here)
        out += np.uintp(entry >> np.uint64(31)) << np.uintp(3)
        exits += np.uintp(4 << DEPTH)
        state += np.uintp(4)
        tree += _1
    return (out - begin) >> np.uintp(3)


@kernel(inline=True)
def _descend(model: Any, count: Any, categories: Any) -> None:
    """Bring the `count` listed trees to their leaves; `categories`: whether some node is a category set."""
    nodes, ranks = _place(model, H_NODE_AT), _place(model, H_RANK_AT)
    listed, state = _place(model, H_LIST_AT), _place(model, H_STATE_AT)
    while count > np.uintp(0):
        source, out = listed, listed
        end = source + (count << np.uintp(3))
        while source < end:
            entry = load_u64(source)  # tree << 32 | position in nodes
            node = load_u64(nodes + (np.uintp(entry & np.uint64(0xFFFFFFFF)) << np.uintp(3)))
            rank = np.uint64(load_u16(ranks + (np.uintp(node & np.uint64(0xFFFF)) << np.uintp(1))))
            limit = (node >> np.uint64(16)) & np.uint64(0xFFFF)
            right = np.uint64(rank > limit)
            if categories:
                inside = (rank >> (limit & np.uint64(15))) & _1
                right = inside if limit >= np.uint64(IN_SET) else right
            child = ((node >> np.uint64(32)) & np.uint64(MAX_ENTRIES - 1)) + right
            tree = entry >> np.uint64(32)
            store_u32(state + (np.uintp(tree) << np.uintp(2)), np.uint32(child))
            store_u64(out, (tree << np.uint64(32)) | child)
            out += np.uintp((node >> (np.uint64(LEFT_INNER) + right)) & _1) << np.uintp(3)
            source += _8
        count = (out - listed) >> np.uintp(3)


@kernel(inline=True)
def _find_leaves(model: Any, x: Any) -> None:
    """Leave each tree's leaf position in the state array."""
    if len(x) != load_i64(model + np.uintp(8 * H_FEATURES)):
        raise ValueError("wrong number of features")
    _ranks(model, x)
    count = _top(model)
    if load_u64(model + np.uintp(8 * H_CATEGORIES)):
        _descend(model, count, True)
    else:
        _descend(model, count, False)


@kernel(nogil=False)
def row_score(model: Any, x: Any, raw: Any) -> Any:
    """Return the prediction (or `raw` score) of one row of a forest with one output.

    Parameters
    ----------
    model : int
        Address of a frozen forest, see ``scalable.inference.forest.row_layout``. It contains the scratch memory, so the
        call keeps the GIL.
    x : float64 (n_features,)
    raw : bool
    """
    model = np.uintp(model)
    _find_leaves(model, x)
    nodes, state = _place(model, H_NODE_AT), _place(model, H_STATE_AT)
    end = state + (np.uintp(load_u64(model + np.uintp(8 * H_TREES))) << np.uintp(2))
    total = 0.0
    while state < end:
        total += load_f64(nodes + (np.uintp(load_u32(state)) << np.uintp(3)))
        state += np.uintp(4)
    if raw:
        return total
    divisor = load_f64(model + np.uintp(8 * H_DIVISOR))
    if divisor != 0.0:
        total /= divisor
    return link_one(total, load_i64(model + np.uintp(8 * H_LINK)), load_f64(model + np.uintp(8 * H_SCALE)))


@kernel(nogil=False)
def row_scores(model: Any, x: Any, out: Any) -> None:
    """Write the raw scores of one row to `out`, float64 (n_outputs,)."""
    model = np.uintp(model)
    _find_leaves(model, x)
    nodes, state = _place(model, H_NODE_AT), _place(model, H_STATE_AT)
    out[:] = 0.0
    for t in range(load_i64(model + np.uintp(8 * H_TREES))):
        leaf = load_u32(state + np.uintp(4 * t))
        out[t % len(out)] += load_f64(nodes + (np.uintp(leaf) << np.uintp(3)))
