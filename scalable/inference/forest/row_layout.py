"""Freeze a forest in one block of memory for the single-row kernel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scalable.inference.forest.block_program import aligned
from scalable.inference.forest.decisions import MOST_OF_A_BYTE, Decisions
from scalable.inference.forest.links import Link
from scalable.inference.forest.trees import LinearLeaves, Trees
from scalable.kernels.forest import row
from scalable.kernels.forest import row_top as top
from scalable.kernels.forest.tables import HEADER, LINEAR_LEAF, PARTS, ROW_COLUMN, TERM


@dataclass(slots=True)
class FrozenForest:
    """A forest laid out for ``row_score``: `memory` holds header, tables and scratch."""

    memory: np.ndarray

    @property
    def address(self) -> int:
        """Where it lies; asked for anew each time, as copies lie elsewhere."""
        return self.memory.ctypes.data


def _entries(trees: Trees) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return positions of nodes and leaves, tree by tree, depth by depth, siblings side by side.

    Returns
    -------
    root : position of each tree's root
    node_at, leaf_at : positions of nodes and leaves
    """
    n_nodes = np.diff(trees.node_start)
    tree_of = trees.tree_of_nodes()
    base = 2 * trees.node_start[:-1] + np.arange(trees.n_trees)  # 2 * nodes + 1 entries per tree
    order = np.lexsort((trees.depth, tree_of))
    # The k-th node of a tree in this order has its children at entries 2 * k + 1 and 2 * k + 2 of the tree.
    place = np.empty(len(tree_of), np.int64)
    place[order] = np.arange(len(tree_of))
    first_child = base[tree_of] + 1 + 2 * (place - trees.node_start[tree_of])
    node_at = np.zeros(len(tree_of), np.int64)
    leaf_at = np.zeros(len(trees.leaf_value), np.int64)
    roots = n_nodes > 0
    node_at[order[trees.node_start[:-1][roots]]] = base[roots]
    leaf_at[trees.leaf_start[:-1][~roots]] = base[~roots]
    for child, offset in ((trees.left, 0), (trees.right, 1)):
        inner = child >= 0
        node_at[trees.node_start[tree_of[inner]] + child[inner]] = first_child[inner] + offset
        leaf_at[trees.leaf_start[tree_of[~inner]] + ~child[~inner]] = first_child[~inner] + offset
    return base, node_at, leaf_at


def _slot_sizes(decisions: Decisions) -> np.ndarray:
    """Return the rank slots of each column: one a numeric column, four a signature word."""
    return np.where(decisions.categorical, 4 * decisions.columns["words"], 1)


def _slots(decisions: Decisions) -> np.ndarray:
    """Return each column's first rank slot."""
    size, numeric = _slot_sizes(decisions), ~decisions.categorical
    # Category columns last and aligned, as their words are copied 8 bytes at a time.
    slot = np.zeros(len(size), np.int64)
    slot[numeric] = np.arange(numeric.sum())
    first = -(-int(numeric.sum()) // 4) * 4
    slot[~numeric] = first + np.cumsum(np.r_[0, size[~numeric]])[:-1]
    return slot


def _nodes(
    trees: Trees,
    decisions: Decisions,
    slot: np.ndarray,
    column: np.ndarray,
    offset: np.ndarray,
    entries: tuple[np.ndarray, ...],
) -> np.ndarray:
    """Return the entries: nodes packed as the kernel reads them, leaves as the bits of their values or as numbers."""
    node_at, leaf_at = entries[1:]
    packed = np.zeros(len(node_at) + len(leaf_at), np.uint64)
    if trees.width == 1 and trees.linear is None:
        packed[leaf_at] = np.ascontiguousarray(trees.leaf_value[:, 0]).view(np.uint64)
    else:
        packed[leaf_at] = np.arange(len(leaf_at))
    if not len(node_at):
        return packed
    categorical = decisions.categorical[column]
    where = slot[column] + np.where(categorical, offset // 16, 0)
    limit = np.where(categorical, row.IN_SET + offset % 16, offset)
    tree_of = trees.tree_of_nodes()
    left_leaf = trees.leaf_start[tree_of] + np.where(trees.left < 0, ~trees.left, 0)
    left_node = trees.node_start[tree_of] + np.maximum(trees.left, 0)
    child = np.where(trees.left < 0, leaf_at[left_leaf], node_at[left_node])
    flags = ((trees.left >= 0) + 2 * (trees.right >= 0)).astype(np.uint64)
    packed[node_at] = (
        where.astype(np.uint64)
        | (limit.astype(np.uint64) << np.uint64(16))
        | (child.astype(np.uint64) << np.uint64(32))
        | (flags << np.uint64(row.LEFT_INNER))
    )
    return packed


def _rank_bytes(decisions: Decisions, top_use: np.ndarray) -> np.ndarray:
    """Return each column's rank byte, ``NO_BYTE`` without: the most used columns whose ranks fit a byte."""
    c = decisions.columns
    fits = np.flatnonzero(~decisions.categorical & (c["count"] <= MOST_OF_A_BYTE) & (top_use > 0))
    chosen = fits[np.argsort(-top_use[fits], kind="stable")][: 16 * top.MAX_GROUPS]
    byte = np.full(len(c), row.NO_BYTE, np.int64)
    byte[chosen] = np.arange(len(chosen))
    return byte


def _top(
    trees: Trees,
    decisions: Decisions,
    column: np.ndarray,
    offset: np.ndarray,
    entries: tuple[np.ndarray, ...],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lay out the top levels, chunk by chunk of trees, heap order, column bytes then limit bytes.

    Returns
    -------
    nodes : uint8 (chunks, NODES, 2, LANES)
    exits : uint32 (n_trees, 2 ** DEPTH)
        Entry reached, its top bit set where that is an inner node.
    byte : int64 (n_columns,)
    """
    base, node_at, leaf_at = entries
    shallow = column[trees.depth < top.DEPTH]
    byte = _rank_bytes(decisions, np.bincount(shallow, minlength=len(decisions.columns)))
    n_padded = -(-trees.n_trees // top.LANES) * top.LANES
    columns, limits = np.zeros((top.NODES, n_padded), np.uint8), np.full((top.NODES, n_padded), 255, np.uint8)
    # Where each path has come to: a node, or -1 for a leaf; and the entry of either.
    has_root = np.diff(trees.node_start) > 0
    node = np.where(has_root, trees.node_start[:-1], -1)[None]
    entry = base[None]
    n, live = trees.n_trees, len(node_at) > 0
    for level in range(top.DEPTH):
        first, width = (1 << level) - 1, 1 << level
        safe = np.maximum(node, 0)
        moves = (node >= 0) & (byte[column[safe]] != row.NO_BYTE) if live else np.zeros(node.shape, bool)
        if live:
            columns[first : first + width, :n] = np.where(moves, byte[column[safe]], 0)
            limits[first : first + width, :n] = np.where(moves, offset[safe], 255)
        below_nodes, below_entries = [node, node], [entry, entry]
        for side, child in enumerate((trees.left, trees.right)) if live else ():
            to = child[safe]
            leaf = leaf_at[trees.leaf_start[:-1][None] + np.where(moves & (to < 0), ~to, 0)]
            inner = trees.node_start[:-1][None] + np.where(moves & (to >= 0), to, 0)
            inner = np.minimum(inner, len(node_at) - 1)
            below_nodes[side] = np.where(moves, np.where(to < 0, -1, inner), node)
            below_entries[side] = np.where(moves, np.where(to < 0, leaf, node_at[inner]), entry)
        node = np.stack(below_nodes, axis=1).reshape(2 * width, n)
        entry = np.stack(below_entries, axis=1).reshape(2 * width, n)
    exits = (entry | (node >= 0).astype(np.int64) << 31).T.astype(np.uint32)
    both = np.stack([columns, limits ^ 0x80], axis=1).reshape(top.NODES, 2, -1, top.LANES)
    return np.ascontiguousarray(both.transpose(2, 0, 1, 3)), exits, byte


def _columns(decisions: Decisions, slot: np.ndarray, byte: np.ndarray) -> np.ndarray:
    c, categorical = decisions.columns, decisions.categorical
    table = np.zeros(len(c), ROW_COLUMN)
    for name in ("feature", "kind", "missing", "words"):
        table[name] = c[name]
    table["first"] = np.where(categorical, 4, 8) * c["first"]
    table["count"] = np.where(categorical, c["count"], [int(n).bit_length() for n in c["count"]])
    table["signature"] = 8 * c["signature"]
    table["slot"], table["byte"] = slot, byte
    return table


def _linear_leaves(value: np.ndarray, linear: LinearLeaves) -> tuple[np.ndarray, np.ndarray]:
    """Return leaves, LINEAR_LEAF (n_leaves,), and their terms, TERM (n_terms,)."""
    leaves, terms = np.zeros(len(value), LINEAR_LEAF), np.zeros(len(linear.feature), TERM)
    leaves["otherwise"] = value
    leaves["constant"] = np.where(linear.is_linear, linear.constant, value)
    leaves["term"] = linear.start[:-1]
    leaves["terms"] = np.where(linear.is_linear, np.diff(linear.start), 0)
    terms["feature"], terms["coef"] = linear.feature, linear.coef
    return leaves, terms


def freeze(trees: Trees, decisions: Decisions, link: Link, divisor: float) -> FrozenForest | None:
    """Lay a forest out for single rows; None when it exceeds the layout's limits.

    Parameters
    ----------
    trees : Trees
    decisions : Decisions
    link : Link
    divisor : float
        Number of iterations for averaged forests, else 0.
    """
    slot = _slots(decisions)
    n_slots = int((slot + _slot_sizes(decisions)).max(initial=0))
    entries = _entries(trees)
    n_entries = len(entries[1]) + len(entries[2])
    if n_slots > row.MAX_SLOTS or n_entries >= row.MAX_ENTRIES:
        return None
    column, offset = decisions.columns_of_nodes()
    tops, exits, byte = _top(trees, decisions, column, offset, entries)
    parts = {
        "columns_at": _columns(decisions, slot, byte),
        "thresholds_at": decisions.thresholds,
        "classes_at": decisions.to_class,
        "signatures_at": decisions.signatures,
        "nodes_at": _nodes(trees, decisions, slot, column, offset, entries),
        "starts_at": trees.sum_start,
        "leaves_at": trees.leaf_value if trees.width > 1 else np.empty(0),
        "terms_at": np.empty(0),
        "ranks_at": np.zeros(n_slots, np.uint16),
        "list_at": np.zeros(trees.n_trees + 1, np.uint64),
        "state_at": entries[0].astype(np.uint32),
        "top_at": tops,
        "exits_at": exits,
        "bytes_at": np.full(256, 0x80, np.uint8),
        "codes_at": np.zeros(tops.shape[0] * top.LANES, np.uint8),
    }
    if trees.linear is not None:
        parts["leaves_at"], parts["terms_at"] = _linear_leaves(trees.leaf_value[:, 0], trees.linear)
    header = np.zeros(1, HEADER)
    header["features"], header["outputs"], header["width"] = trees.n_features, trees.n_outputs, trees.width
    header["trees"], header["columns"] = trees.n_trees, len(decisions.columns)
    header["groups"] = -(-int((byte != row.NO_BYTE).sum()) // 16)
    header["link"], header["scale"], header["divisor"] = link.kind, link.scale, divisor
    header["categories"] = decisions.categorical.any()
    header["narrow"] = trees.arithmetic.float32_sum
    header["linear"] = trees.linear is not None
    return _assemble(header, parts)


def _assemble(header: np.ndarray, parts: dict[str, np.ndarray]) -> FrozenForest:
    """Write header and parts one after another, each on a cache line of its own."""
    at = -(-header.nbytes // 64) * 64
    for name in PARTS:
        header[name] = at
        at += -(-parts[name].nbytes // 64) * 64 + 64
    memory = aligned(at)
    memory[: header.nbytes] = header.view(np.uint8)
    for name in PARTS:
        data = np.ascontiguousarray(parts[name]).view(np.uint8).ravel()
        memory[header[name][0] : header[name][0] + len(data)] = data
    return FrozenForest(memory)
