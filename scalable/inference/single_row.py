"""Freeze a forest in one block of memory for the single-row kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from scalable.inference.decisions import Decisions
from scalable.inference.links import Link
from scalable.inference.plan import aligned
from scalable.inference.trees import Trees
from scalable.kernels import forest_row as row
from scalable.kernels.forest_rank import RANK_CATEGORY


@dataclass(slots=True)
class FrozenForest:
    """A forest laid out for ``forest_row``: `memory` holds header, tables and scratch."""

    memory: np.ndarray
    address: int


def _entries(trees: Trees) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return positions of nodes and leaves, tree by tree, level by level, siblings side by side.

    Returns
    -------
    root : position of each tree's root
    node_at, leaf_at : positions of nodes and leaves
    """
    n_nodes = np.diff(trees.node_start)
    tree_of = np.repeat(np.arange(trees.n_trees), n_nodes)
    base = 2 * trees.node_start[:-1] + np.arange(trees.n_trees)  # 2 * nodes + 1 entries per tree
    order = np.lexsort((trees.level, tree_of))
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


def _slots(decisions: Decisions) -> np.ndarray:
    """Return each column's first rank slot: one slot a numeric column, four a signature word."""
    size = np.where(decisions.columns[:, 1] == RANK_CATEGORY, 4 * decisions.columns[:, 7], 1)
    # Category columns last and aligned, as their words are copied 8 bytes at a time.
    numeric = decisions.columns[:, 1] != RANK_CATEGORY
    slot = np.zeros(len(size), np.int64)
    slot[numeric] = np.arange(numeric.sum())
    first = -(-int(numeric.sum()) // 4) * 4
    slot[~numeric] = first + np.cumsum(np.r_[0, size[~numeric]])[:-1]
    return slot


def _nodes(
    trees: Trees, decisions: Decisions, slot: np.ndarray, entries: tuple[np.ndarray, ...]
) -> np.ndarray:
    """Return the entries: nodes packed as the kernel reads them, leaves as the bits of their values."""
    _, node_at, leaf_at = entries
    packed = np.zeros(len(node_at) + len(leaf_at), np.uint64)
    packed[leaf_at] = trees.leaf_value.view(np.uint64)
    if not len(node_at):
        return packed
    columns = decisions.columns
    by_plane = columns[np.argsort(columns[:, 5], kind="stable")]
    slot_by_plane = slot[np.argsort(columns[:, 5], kind="stable")]
    column = np.searchsorted(by_plane[:, 5], decisions.plane, "right") - 1
    offset = decisions.plane - by_plane[column, 5]
    categorical = by_plane[column, 1] == RANK_CATEGORY
    where = slot_by_plane[column] + np.where(categorical, offset // 16, 0)
    limit = np.where(categorical, row.IN_SET + offset % 16, offset)
    tree_of = np.repeat(np.arange(trees.n_trees), np.diff(trees.node_start))
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


def _columns(decisions: Decisions, slot: np.ndarray) -> np.ndarray:
    c = decisions.columns
    categorical = c[:, 1] == RANK_CATEGORY
    size = np.where(categorical, c[:, 4], [int(n).bit_length() for n in c[:, 4]])
    first = np.where(categorical, 4, 8) * c[:, 3]
    return np.stack([c[:, 0], c[:, 1], c[:, 2], first, size, slot, c[:, 7], 8 * c[:, 8]], axis=1)


def freeze(trees: Trees, decisions: Decisions, link: Link, divisor: float) -> FrozenForest | None:
    """Lay a forest out for single rows; None when it exceeds the layout's limits.

    Parameters
    ----------
    trees, decisions
        With constant leaves.
    link : Link
    divisor : float
        Number of iterations for averaged forests, else 0.
    """
    slot = _slots(decisions)
    n_slots = int(
        (slot + np.where(decisions.columns[:, 1] == RANK_CATEGORY, 4 * decisions.columns[:, 7], 1)).max(
            initial=0
        )
    )
    entries = _entries(trees)
    n_entries = len(entries[1]) + len(entries[2])
    if n_slots > row.MAX_SLOTS or n_entries >= row.MAX_ENTRIES:
        return None
    base, node_at, leaf_at = entries
    inner = np.flatnonzero(np.diff(trees.node_start) > 0)
    start = (inner.astype(np.uint64) << np.uint64(32)) | base[inner].astype(np.uint64)
    parts: dict[int, np.ndarray] = {
        row.H_COLUMN_AT: _columns(decisions, slot),
        row.H_THRESHOLD_AT: decisions.thresholds,
        row.H_CLASS_AT: decisions.to_class,
        row.H_SIGNATURE_AT: decisions.signatures,
        row.H_NODE_AT: _nodes(trees, decisions, slot, entries),
        row.H_START_AT: start,
        row.H_RANK_AT: np.zeros(n_slots, np.uint16),
        row.H_LIST_AT: np.zeros(trees.n_trees + 1, np.uint64),
        row.H_STATE_AT: base.astype(np.uint32),
    }
    del node_at, leaf_at
    return _assemble(trees, decisions, link, divisor, len(inner), parts)


def _assemble(
    trees: Trees, decisions: Decisions, link: Link, divisor: float, active: int, parts: dict[int, Any]
) -> FrozenForest:
    """Write header and parts one after another, each on a cache line of its own."""
    header = np.zeros(row.HEADER_WORDS, np.int64)
    header[row.H_FEATURES], header[row.H_OUTPUTS] = trees.n_features, trees.per_iteration
    header[row.H_TREES], header[row.H_ACTIVE] = trees.n_trees, active
    header[row.H_COLUMNS], header[row.H_LINK] = len(decisions.columns), link.kind
    header[[row.H_SCALE, row.H_DIVISOR]] = np.array([link.scale, divisor]).view(np.int64)
    header[row.H_CATEGORIES] = bool((decisions.columns[:, 1] == RANK_CATEGORY).any())
    at = -(-header.nbytes // 64) * 64
    for word, part in parts.items():
        header[word] = at
        at += -(-part.nbytes // 64) * 64 + 64
    memory = aligned(at)
    memory[: header.nbytes] = header.view(np.uint8)
    for word, part in parts.items():
        memory[header[word] : header[word] + part.nbytes] = np.ascontiguousarray(part).view(np.uint8).ravel()
    return FrozenForest(memory, memory.ctypes.data)
