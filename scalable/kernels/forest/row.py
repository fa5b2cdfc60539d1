"""One row through a whole forest: all trees advance together, level by level, without unpredictable branches.

Following one tree mispredicts at nearly every level. Here the top levels are decided for 32 trees at a time (see
``row_top``); then a list holds the trees that have not reached a leaf, and
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
from scalable.kernels.forest.tables import HEADER, LINEAR_LEAF, ROW_COLUMN, TERM
from scalable.kernels.jit import kernel
from scalable.kernels.memory import (
    field,
    load_f64,
    load_u8,
    load_u16,
    load_u32,
    load_u64,
    store_u8,
    store_u16,
    store_u32,
    store_u64,
)

NO_BYTE = 255  # of a column without a rank byte
# A node: rank slot (16 bits), threshold (16 bits; IN_SET + bit for category sets), first child (30 bits), whether
# the left and the right child are inner. Where a child is a leaf, its entry is the leaf's value, a double.
IN_SET = 0x8000
LEFT_INNER, RIGHT_INNER = 62, 63
MAX_ENTRIES, MAX_SLOTS = 2**30, 2**16

_1, _8, _COLUMN_SIZE = np.uint64(1), np.uintp(8), np.uintp(ROW_COLUMN.itemsize)
_LEAF_SIZE, _TERM_SIZE = np.uintp(LINEAR_LEAF.itemsize), np.uintp(TERM.itemsize)


@kernel(inline=True)
def _rank(value: Any, column: Any, thresholds: Any) -> Any:
    """Return the rank of a value among a numeric column's thresholds."""
    at, bit = (
        thresholds + np.uintp(field(column, ROW_COLUMN, "first")),
        np.uint64(field(column, ROW_COLUMN, "count")),
    )
    rank = np.uint64(0)
    while bit > np.uint64(0):
        bit -= _1
        probe = np.uintp(rank + (_1 << bit) - _1) << np.uintp(3)
        rank += np.uint64(load_f64(at + probe) < value) << bit
    zero_too = field(column, ROW_COLUMN, "kind") == RANK_ZERO
    missing = not abs(value) > ZERO if zero_too else np.isnan(value)
    return np.uint64(field(column, ROW_COLUMN, "missing")) if missing else rank


@kernel(inline=True)
def _signature(value: Any, column: Any, classes: Any, signatures: Any, out: Any) -> None:
    """Copy the signature of a value's category: one bit per category set."""
    member = np.uintp(0)
    if value > -1.0 and value < np.float64(field(column, ROW_COLUMN, "count")):
        first = classes + np.uintp(field(column, ROW_COLUMN, "first"))
        member = np.uintp(load_u32(first + (np.uintp(np.int64(value)) << np.uintp(2))))
    elif np.isnan(value):
        member = np.uintp(field(column, ROW_COLUMN, "missing"))
    words = np.uintp(field(column, ROW_COLUMN, "words"))
    source = signatures + np.uintp(field(column, ROW_COLUMN, "signature")) + member * words * _8
    for w in range(words):
        store_u64(out + np.uintp(8 * w), load_u64(source + np.uintp(8 * w)))


@kernel(inline=True)
def _ranks(model: Any, x: Any) -> None:
    """Fill the rank slots of one row."""
    column = model + np.uintp(field(model, HEADER, "columns_at"))
    ranks = model + np.uintp(field(model, HEADER, "ranks_at"))
    thresholds = model + np.uintp(field(model, HEADER, "thresholds_at"))
    classes = model + np.uintp(field(model, HEADER, "classes_at"))
    signatures = model + np.uintp(field(model, HEADER, "signatures_at"))
    rank_bytes = model + np.uintp(field(model, HEADER, "bytes_at"))
    end = column + np.uintp(field(model, HEADER, "columns")) * _COLUMN_SIZE
    while column < end:
        value = x[np.uintp(field(column, ROW_COLUMN, "feature"))]
        slot = ranks + (np.uintp(field(column, ROW_COLUMN, "slot")) << np.uintp(1))
        if field(column, ROW_COLUMN, "kind") == RANK_CATEGORY:
            _signature(value, column, classes, signatures, slot)
        else:
            rank = _rank(value, column, thresholds)
            store_u16(slot, np.uint16(rank))
            to = rank_bytes + np.uintp(field(column, ROW_COLUMN, "byte"))
            store_u8(to, np.uint8(rank ^ np.uint64(0x80)))
        column += _COLUMN_SIZE


@kernel(inline=True)
def _top(model: Any) -> Any:
    """Decide the top levels of all trees; list the trees that go on and return how many they are."""
    trees = np.uint64(field(model, HEADER, "trees"))
    codes = model + np.uintp(field(model, HEADER, "codes_at"))
    chunks = (np.int64(trees) + LANES - 1) // LANES
    top, rank_bytes = np.uintp(field(model, HEADER, "top_at")), np.uintp(field(model, HEADER, "bytes_at"))
    descend_top(model + top, chunks, model + rank_bytes, field(model, HEADER, "groups"), codes)
    exits = model + np.uintp(field(model, HEADER, "exits_at"))
    out = model + np.uintp(field(model, HEADER, "list_at"))
    state = model + np.uintp(field(model, HEADER, "state_at"))
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
    nodes = model + np.uintp(field(model, HEADER, "nodes_at"))
    ranks = model + np.uintp(field(model, HEADER, "ranks_at"))
    listed = model + np.uintp(field(model, HEADER, "list_at"))
    state = model + np.uintp(field(model, HEADER, "state_at"))
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
    if len(x) != field(model, HEADER, "features"):
        raise ValueError("wrong number of features")
    _ranks(model, x)
    count = _top(model)
    if field(model, HEADER, "categories"):
        _descend(model, count, True)
    else:
        _descend(model, count, False)


@kernel(inline=True)
def _linear(leaf: Any, terms: Any, x: Any) -> Any:
    """Return the output of the leaf at an address, see ``leaves.linear_leaf``."""
    value = field(leaf, LINEAR_LEAF, "constant")
    term = terms + np.uintp(field(leaf, LINEAR_LEAF, "term")) * _TERM_SIZE
    end = term + np.uintp(field(leaf, LINEAR_LEAF, "terms")) * _TERM_SIZE
    while term < end:
        v = x[np.uintp(field(term, TERM, "feature"))]
        if np.isnan(v):
            return field(leaf, LINEAR_LEAF, "otherwise")
        value += field(term, TERM, "coef") * (v if abs(v) > ZERO else 0.0)
        term += _TERM_SIZE
    return value


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
    nodes = model + np.uintp(field(model, HEADER, "nodes_at"))
    state = model + np.uintp(field(model, HEADER, "state_at"))
    end = state + (np.uintp(field(model, HEADER, "trees")) << np.uintp(2))
    total = load_f64(model + np.uintp(field(model, HEADER, "starts_at")))
    if field(model, HEADER, "linear"):
        leaves = model + np.uintp(field(model, HEADER, "leaves_at"))
        terms = model + np.uintp(field(model, HEADER, "terms_at"))
        while state < end:
            leaf = np.uintp(load_u64(nodes + (np.uintp(load_u32(state)) << np.uintp(3))))
            total += _linear(leaves + leaf * _LEAF_SIZE, terms, x)
            state += np.uintp(4)
    elif field(model, HEADER, "narrow"):
        while state < end:
            value = load_f64(nodes + (np.uintp(load_u32(state)) << np.uintp(3)))
            total = np.float64(np.float32(total + value))
            state += np.uintp(4)
    else:
        while state < end:
            total += load_f64(nodes + (np.uintp(load_u32(state)) << np.uintp(3)))
            state += np.uintp(4)
    if raw:
        return total
    divisor = field(model, HEADER, "divisor")
    if divisor != 0.0:
        total /= divisor
    return link_one(total, field(model, HEADER, "link"), field(model, HEADER, "scale"))


@kernel(nogil=False)
def row_scores(model: Any, x: Any, out: Any) -> None:
    """Write the raw scores of one row to `out`, float64 (n_outputs,)."""
    model = np.uintp(model)
    _find_leaves(model, x)
    nodes = model + np.uintp(field(model, HEADER, "nodes_at"))
    state = model + np.uintp(field(model, HEADER, "state_at"))
    starts = model + np.uintp(field(model, HEADER, "starts_at"))
    leaves = model + np.uintp(field(model, HEADER, "leaves_at"))
    narrow, width = field(model, HEADER, "narrow"), field(model, HEADER, "width")
    linear, terms = field(model, HEADER, "linear"), model + np.uintp(field(model, HEADER, "terms_at"))
    for output in range(len(out)):
        out[output] = load_f64(starts + np.uintp(8 * output))
    output = 0
    for t in range(field(model, HEADER, "trees")):
        leaf = nodes + (np.uintp(load_u32(state + np.uintp(4 * t))) << np.uintp(3))
        if linear:
            leaf = leaves + np.uintp(load_u64(leaf)) * _LEAF_SIZE
            out[output] += _linear(leaf, terms, x)
            output = 0 if output + 1 == len(out) else output + 1
            continue
        if width > 1:  # the entry is the leaf's number
            leaf = leaves + np.uintp(load_u64(leaf)) * np.uintp(width) * _8
        for k in range(width):
            value = out[output] + load_f64(leaf + np.uintp(8 * k))
            out[output] = np.float64(np.float32(value)) if narrow else value
            output += 1
            if output == len(out):
                output = 0
