"""Collect a forest's distinct decisions into columns of sorted thresholds and category sets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scalable.inference.forest.trees import (
    CATEGORICAL,
    DEFAULT_LEFT,
    MISSING_NAN,
    MISSING_NONE,
    MISSING_ZERO,
    Trees,
)
from scalable.kernels.forest.category import MAX_TABULATED, OCTET
from scalable.kernels.forest.rank import MAX_THRESHOLDS, RANK_CATEGORY, RANK_NAN, RANK_ZERO, ZERO


@dataclass(slots=True)
class Decisions:
    """Columns of decisions; each numeric threshold and each category set owns one plane.

    Attributes
    ----------
    columns : int64 (n_columns, 11)
        feature, kind, rank of a missing value, first threshold (or first category in `to_class`), number of
        thresholds (or categories), first plane, category sets, words per signature, first signature word, first
        mask, octets of classes (0 for numeric columns and for those of too many categories).
    thresholds : float64
        Ascending within a column, each padded with infinity to ``2 ** m - 1`` entries for the search.
    to_class : uint32
        Category -> class, 0 for categories in no set.
    signatures : uint64
        Per class, bit ``d`` says that it goes right at the column's set ``d``.
    masks : uint8
        Per octet of classes and set, bit ``b`` says that the set holds the octet's class ``b``; class 1 comes first.
    plane : int64 (n_nodes,)
        Plane of each node, 1 for rows that go right.
    n_planes : int
    """

    columns: np.ndarray
    thresholds: np.ndarray
    to_class: np.ndarray
    signatures: np.ndarray
    masks: np.ndarray
    plane: np.ndarray
    n_planes: int


def _canonical(threshold: np.ndarray) -> np.ndarray:
    """Return equivalent thresholds that need no test for LightGBM's "|x| <= 1e-35 is 0"."""
    value = np.where((threshold >= 0) & (threshold <= ZERO), ZERO, threshold)
    return np.where((value < 0) & (value >= -ZERO), np.nextafter(-ZERO, -np.inf), value)


def _numeric(trees: Trees, nodes: np.ndarray, plane: np.ndarray) -> tuple[list[list[int]], np.ndarray, int]:
    """Assign planes to numeric nodes; return the column rows, padded thresholds and the number of planes."""
    missing = (trees.decision[nodes] >> 2).astype(np.int64)
    default_left = (trees.decision[nodes] & DEFAULT_LEFT) > 0
    mode = np.where(missing == MISSING_NONE, 0, 2 * missing + default_left)
    threshold = _canonical(trees.threshold[nodes])
    feature = trees.feature[nodes]
    order = np.lexsort((threshold, mode, feature))
    f, m, t = feature[order], mode[order], threshold[order]
    new_column = np.r_[True, (f[1:] != f[:-1]) | (m[1:] != m[:-1])]
    fresh = new_column | np.r_[True, t[1:] != t[:-1]]
    plane[nodes[order]] = np.cumsum(fresh) - 1
    thresholds = t[fresh]
    starts = np.flatnonzero(new_column[fresh])
    rows, padded, base = [], [], 0
    for at, stop in zip(starts, np.r_[starts[1:], len(thresholds)], strict=True):
        kind_mode, name = int(m[fresh][at]), int(f[fresh][at])
        for first in range(int(at), int(stop), MAX_THRESHOLDS):
            count = min(MAX_THRESHOLDS, int(stop) - first)
            mine = thresholds[first : first + count]
            default = 0 if kind_mode & 1 else count
            special = int(np.searchsorted(mine, 0.0, "left")) if kind_mode == 0 else default
            kind = RANK_ZERO if kind_mode >> 1 == MISSING_ZERO else RANK_NAN
            size = (1 << count.bit_length()) - 1
            padded.append(np.r_[mine, np.full(size - count, np.inf)])
            rows.append([name, kind, special, base, count, first, 0, 0, 0, 0, 0])
            base += size
    assert MISSING_NAN == 2
    return rows, np.concatenate(padded), len(thresholds)


def _members(words: np.ndarray) -> np.ndarray:
    """Return the categories in a bitset, ascending."""
    return np.flatnonzero(np.unpackbits(words.astype("<u4").view(np.uint8), bitorder="little"))


def _categorical(
    trees: Trees, nodes: np.ndarray, plane: np.ndarray, next_plane: int
) -> tuple[list[list[int]], np.ndarray, np.ndarray, np.ndarray, int]:
    """Assign planes to categorical nodes; return columns, the class map, signatures, masks, the next free plane."""
    rows: list[list[int]] = []
    class_parts: list[np.ndarray] = []
    signature_parts: list[np.ndarray] = []
    mask_parts: list[np.ndarray] = []
    class0 = signature0 = mask0 = 0
    for feature in np.unique(trees.feature[nodes]):
        mine = nodes[trees.feature[nodes] == feature]
        sets: dict[bytes, int] = {}
        members: list[np.ndarray] = []
        for node in mine:
            inside = _members(trees.cat_words[trees.cat_start[node] : trees.cat_stop[node]])
            index = sets.setdefault(inside.tobytes(), len(members))
            if index == len(members):
                members.append(inside)
            plane[node] = next_plane + index
        used = np.unique(np.concatenate(members))
        count = int(used[-1]) + 1 if used.size else 0
        to_class = np.zeros(count, np.uint32)
        to_class[used] = np.arange(1, len(used) + 1)
        n_words = (len(members) + 63) // 64
        bits = np.ones((len(used) + 1, 64 * n_words), np.uint8)
        for d, inside in enumerate(members):
            bits[to_class[inside], d] = 0
        # An unused octet keeps the kernel's loop over octets from being empty.
        octets = max(1, -(-len(used) // OCTET)) if len(used) <= MAX_TABULATED else 0
        inside_by_class = 1 - bits[1:, : len(members)]
        inside_by_class.resize((octets * OCTET, len(members)), refcheck=False)
        masks = np.packbits(
            inside_by_class.reshape(octets, OCTET, len(members)), axis=1, bitorder="little"
        ).ravel()
        packed = np.packbits(bits, axis=1, bitorder="little").view("<u8").astype(np.uint64)
        rows.append(
            [int(feature), RANK_CATEGORY, 0, class0, count, next_plane, len(members), n_words, signature0,
             mask0, octets]
        )  # fmt: skip
        class_parts.append(to_class)
        signature_parts.append(packed.ravel())
        mask_parts.append(masks)
        class0 += count
        signature0 += packed.size
        mask0 += masks.size
        next_plane += len(members)
    empty = np.empty(0, np.uint64)
    to_class = np.concatenate([np.empty(0, np.uint32), *class_parts])
    masks = np.concatenate([np.empty(0, np.uint8), *mask_parts])
    return rows, to_class, np.concatenate([empty, *signature_parts]), masks, next_plane


def collect(trees: Trees) -> Decisions:
    """Return the distinct decisions of all nodes."""
    plane = np.zeros(len(trees.feature), np.int64)
    categorical = (trees.decision & CATEGORICAL) > 0
    numeric_nodes, category_nodes = np.flatnonzero(~categorical), np.flatnonzero(categorical)
    rows: list[list[int]] = []
    thresholds, n_planes = np.empty(0), 0
    if numeric_nodes.size:
        rows, thresholds, n_planes = _numeric(trees, numeric_nodes, plane)
    more, to_class, signatures, masks, n_planes = _categorical(trees, category_nodes, plane, n_planes)
    columns = np.array(rows + more, np.int64).reshape(-1, 11)
    columns = columns[np.argsort(columns[:, 0], kind="stable")]
    return Decisions(columns, thresholds, to_class, signatures, masks, plane, n_planes)
