"""Collect a forest's distinct decisions into columns of sorted thresholds and category sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from scalable.inference.forest.trees import Trees
from scalable.kernels.forest.category import MAX_TABULATED, OCTET
from scalable.kernels.forest.rank import MAX_THRESHOLDS, RANK_CATEGORY, RANK_NAN, RANK_ZERO
from scalable.kernels.forest.tables import (
    CATEGORICAL,
    COLUMN,
    DEFAULT_LEFT,
    MISSING_IS_ZERO,
    MISSING_OR_ZERO,
)


@dataclass(slots=True)
class Decisions:
    """Columns of decisions; each numeric threshold and each category set owns one plane.

    Attributes
    ----------
    columns, thresholds, to_class, signatures, masks
        See ``kernels.forest.tables.Program``; columns are ordered by feature.
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

    @property
    def categorical(self) -> np.ndarray:
        """Which columns are of categories, bool (n_columns,)."""
        found: np.ndarray = self.columns["kind"] == RANK_CATEGORY
        return found

    def columns_of_nodes(self) -> tuple[np.ndarray, np.ndarray]:
        """Return each node's column and the offset of its plane within the column."""
        by_plane = np.argsort(self.columns["plane"], kind="stable")
        first = self.columns["plane"][by_plane]
        place = np.searchsorted(first, self.plane, "right") - 1
        return by_plane[place], self.plane - first[place]


def _column(**values: int) -> Any:
    row = np.zeros(1, COLUMN)
    for name, value in values.items():
        row[name] = value
    return row


def _numeric(trees: Trees, nodes: np.ndarray, plane: np.ndarray) -> tuple[list[Any], np.ndarray, int]:
    """Assign planes to numeric nodes; return the columns, padded thresholds and the number of planes."""
    missing = (trees.rule[nodes] >> 2).astype(np.int64) & 3
    default_left = (trees.rule[nodes] & DEFAULT_LEFT) > 0
    mode = np.where(missing == MISSING_IS_ZERO, 0, 2 * missing + default_left)
    threshold = trees.bounds()[nodes]
    feature = trees.feature[nodes]
    order = np.lexsort((threshold, mode, feature))
    f, m, t = feature[order], mode[order], threshold[order]
    new_column = np.r_[True, (f[1:] != f[:-1]) | (m[1:] != m[:-1])]
    fresh = new_column | np.r_[True, t[1:] != t[:-1]]
    plane[nodes[order]] = np.cumsum(fresh) - 1
    thresholds = t[fresh]
    starts = np.flatnonzero(new_column[fresh])
    columns, padded, base = [], [], 0
    for at, stop in zip(starts, np.r_[starts[1:], len(thresholds)], strict=True):
        kind_mode, name = int(m[fresh][at]), int(f[fresh][at])
        for first in range(int(at), int(stop), MAX_THRESHOLDS):
            count = min(MAX_THRESHOLDS, int(stop) - first)
            mine = thresholds[first : first + count]
            default = 0 if kind_mode & 1 else count
            special = int(np.searchsorted(mine, 0.0, "left")) if kind_mode == 0 else default
            kind = RANK_ZERO if kind_mode >> 1 == MISSING_OR_ZERO else RANK_NAN
            size = (1 << count.bit_length()) - 1
            padded.append(np.r_[mine, np.full(size - count, np.inf)])
            columns.append(
                _column(feature=name, kind=kind, missing=special, first=base, count=count, plane=first)
            )
            base += size
    return columns, np.concatenate(padded), len(thresholds)


def _members(words: np.ndarray) -> np.ndarray:
    """Return the categories in a bitset, ascending."""
    return np.flatnonzero(np.unpackbits(words.astype("<u4").view(np.uint8), bitorder="little"))


@dataclass(slots=True)
class _Sets:
    """The distinct category sets of one feature: members, and whether missing values go left."""

    members: list[np.ndarray]
    missing_left: list[bool]

    def classes(self) -> tuple[np.ndarray, np.ndarray, int]:
        """Return the class of each category, which classes go left at which set, and the class of missing values.

        Class 0 goes right everywhere.
        """
        used = np.unique(np.concatenate([np.empty(0, np.int64), *self.members]))
        n, sets = len(used), len(self.members)
        left = np.zeros((n + 2, sets), bool)
        for d, inside in enumerate(self.members):
            left[1 + np.searchsorted(used, inside), d] = True
        left[n + 1] = self.missing_left
        missing = n + 1 if any(self.missing_left) else 0
        to_class = np.zeros(int(used[-1]) + 1 if n else 0, np.uint32)
        to_class[used] = np.arange(1, n + 1)
        return to_class, left[: 1 + max(n, missing)], missing


def _sets_of(trees: Trees, nodes: np.ndarray, plane: np.ndarray, next_plane: int) -> _Sets:
    """Assign planes to the nodes of one feature."""
    found: dict[tuple[bytes, bool], int] = {}
    sets = _Sets([], [])
    for node in nodes:
        inside = _members(trees.cat_words[trees.cat_start[node] : trees.cat_stop[node]])
        missing_left = int(trees.rule[node]) & DEFAULT_LEFT > 0
        index = found.setdefault((inside.tobytes(), missing_left), len(sets.members))
        if index == len(sets.members):
            sets.members.append(inside)
            sets.missing_left.append(missing_left)
        plane[node] = next_plane + index
    return sets


def _categorical(
    trees: Trees, nodes: np.ndarray, plane: np.ndarray, next_plane: int
) -> tuple[list[Any], np.ndarray, np.ndarray, np.ndarray, int]:
    """Assign planes to categorical nodes; return columns, the class map, signatures, masks, the next free plane."""
    columns: list[Any] = []
    classes, signatures, masks = [np.empty(0, np.uint32)], [np.empty(0, np.uint64)], [np.empty(0, np.uint8)]
    class0 = signature0 = mask0 = 0
    for feature in np.unique(trees.feature[nodes]):
        sets = _sets_of(trees, nodes[trees.feature[nodes] == feature], plane, next_plane)
        to_class, left, missing = sets.classes()
        n_classes, n_sets = left.shape
        n_words = (n_sets + 63) // 64
        bits = np.ones((n_classes, 64 * n_words), np.uint8)
        bits[:, :n_sets] = ~left
        # An unused octet keeps the kernel's loop over octets from being empty.
        octets = max(1, -(-(n_classes - 1) // OCTET)) if n_classes <= MAX_TABULATED + 1 else 0
        inside = np.zeros((octets * OCTET, n_sets), np.uint8)
        inside[: n_classes - 1] = left[1:] if octets else 0
        by_octet = np.packbits(inside.reshape(octets, OCTET, n_sets), axis=1, bitorder="little").ravel()
        packed = np.packbits(bits, axis=1, bitorder="little").view("<u8").astype(np.uint64).ravel()
        columns.append(
            _column(
                feature=int(feature), kind=RANK_CATEGORY, missing=missing, first=class0,
                count=len(to_class), plane=next_plane, sets=n_sets, words=n_words, signature=signature0, mask=mask0,
                octets=octets,
            )
        )  # fmt: skip
        classes.append(to_class)
        signatures.append(packed)
        masks.append(by_octet)
        class0 += len(to_class)
        signature0 += packed.size
        mask0 += by_octet.size
        next_plane += n_sets
    return columns, np.concatenate(classes), np.concatenate(signatures), np.concatenate(masks), next_plane


def collect(trees: Trees) -> Decisions:
    """Return the distinct decisions of all nodes."""
    plane = np.zeros(len(trees.feature), np.int64)
    categorical = (trees.rule & CATEGORICAL) > 0
    numeric_nodes, category_nodes = np.flatnonzero(~categorical), np.flatnonzero(categorical)
    rows: list[Any] = []
    thresholds, n_planes = np.empty(0), 0
    if numeric_nodes.size:
        rows, thresholds, n_planes = _numeric(trees, numeric_nodes, plane)
    more, to_class, signatures, masks, n_planes = _categorical(trees, category_nodes, plane, n_planes)
    columns = np.concatenate([np.empty(0, COLUMN), *rows, *more])
    columns = columns[np.argsort(columns["feature"], kind="stable")]
    return Decisions(columns, thresholds, to_class, signatures, masks, plane, n_planes)
